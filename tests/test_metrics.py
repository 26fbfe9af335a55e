"""Metrics files: what is read, what is refused, and which kernels they may name."""

import json
import os

import pytest

from harness.errors import UsageError
from harness.metrics import check_kernels, kernel_names, load_metrics

CODE = """import triton as t
from triton import jit


@t.autotune(configs=[], key=[])
@t.jit
def first(x):
    pass


@jit
def second(x):
    pass


@t.jit(do_not_specialize=["x"])
def third(x):
    pass


def helper(x):
    pass
"""


def written(folder, text):
    path = folder / "m.json"
    path.write_text(text)
    return path


def test_values_keep_order_and_kind(tmp_path):
    text = json.dumps({"k": {"launch__grid_size": 3, "dram__bytes.sum": 2.0, "a__b.avg": 1e-3}}, indent=2)
    metrics = load_metrics(written(tmp_path, text))
    assert metrics.text == text
    assert [type(value) for value in metrics.kernels["k"].values()] == [int, float, float]


def test_hash_follows_the_values_not_the_spacing(tmp_path):
    one = load_metrics(written(tmp_path, '{"k": {"a__b": 1}}'))
    same = load_metrics(written(tmp_path, '{"k":\n{"a__b":1}}\n'))
    other = load_metrics(written(tmp_path, '{"k": {"a__b": 2}}'))
    assert one.hash == same.hash != other.hash


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not valid JSON"),
        ('{"k": {"a__b": 1}', "not valid JSON"),
        ('{"k": {"a__b": NaN}}', "holds NaN"),
        ('{"k": {"a__b": -Infinity}}', "holds -Infinity"),
        ('{"k": {"a__b": 1e999}}', "holds 1e999"),
        ('{"k": {"a__b": null}}', "k: a__b: must be a number, is null"),
        ('{"k": {"a__b": true}}', "must be a number, is true"),
        ('{"k": {"a__b": "1"}}', 'must be a number, is "1"'),
        ('{"k": {}}', "k: must be an object of metric names"),
        ('{"k": 3}', "k: must be an object of metric names"),
        ("{}", "must be a JSON object of kernel names"),
        ("[1]", "must be a JSON object of kernel names"),
        ('{"k": {"a__b": 1, "a__b": 2}}', "'a__b' stands twice"),
        ('{"k": {"a__b": ' + "9" * 5000 + "}}", "m.json: "),
        ("[" * 100_000, "m.json: "),
    ],
)
def test_what_is_refused(text, message, tmp_path):
    with pytest.raises(UsageError, match=r"m\.json: ") as error:
        load_metrics(written(tmp_path, text))
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "cannot read it: No such file"),
        (lambda path: path.mkdir(), "cannot read it: Is a directory"),
        (lambda path: path.write_bytes(b'{"k": "\xff"}'), "not UTF-8 text"),
        (lambda path: path.write_bytes(b"{}\0"), "holds a NUL character"),
    ],
)
def test_a_file_that_cannot_be_read(make, message, tmp_path):
    path = tmp_path / "m.json"
    make(path)
    with pytest.raises(UsageError, match=f"m.json: {message}"):
        load_metrics(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_without_permission(tmp_path):
    path = written(tmp_path, "{}")
    path.chmod(0)
    with pytest.raises(UsageError, match="Permission denied"):
        load_metrics(path)


def test_kernels_are_what_jit_decorates():
    assert kernel_names(CODE) == ("first", "second", "third")


@pytest.mark.parametrize(
    ("kernels", "code", "message"),
    [
        ('{"first": {"a__b": 1}, "fourth": {"a__b": 1}}', CODE, "kernel 'fourth' is not in the code"),
        ('{"helper": {"a__b": 1}}', CODE, "kernel 'helper' is not in the code"),
        ('{"first": {"a__b": 1}}', "", "kernel 'first' is not in the code"),
        ('{"first": {"a__b": 1}}', "def f(:\n", r"does not parse \(line 1\)"),
    ],
)
def test_kernels_of_other_code(kernels, code, message, tmp_path):
    with pytest.raises(UsageError, match=message):
        check_kernels(load_metrics(written(tmp_path, kernels)), code)


def test_kernels_of_this_code(tmp_path):
    check_kernels(load_metrics(written(tmp_path, '{"third": {"a__b": 1}, "first": {"a__b": 1}}')), CODE)
