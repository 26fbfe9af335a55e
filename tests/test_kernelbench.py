"""Problems that are one file: what is read from the text, what is refused, and which cases are made of it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.kernelbench import find_problem, problem_paths, read_reference, scaled_cases, variants
from harness.problems import load_problem

CORPUS = Path(__file__).parent / "kernelbench"
FILES = sorted(CORPUS.glob("*.py"))
ANSWERS = Path(__file__).parent / "kernelbench_answers"
SOURCE = """
import torch
import torch.nn as nn
{top}
class Model(nn.Module):
    def forward(self, x):
        return x

{constants}

def get_inputs():
    return [torch.rand(rows, columns)]

def get_init_inputs():
    return []
"""


def source(top="", constants="rows = 1024\ncolumns = 512"):
    return SOURCE.replace("{top}", top).replace("{constants}", constants)


def read(text):
    return read_reference(text, Path("92_x.py"))


def write(path, text):
    path.write_text(text)
    return path


def test_the_corpus_has_49_files_and_each_loads():
    assert len(FILES) == 49
    for path in FILES:
        problem = load_problem(path).problem
        assert problem.name == path.stem
        assert problem.tolerance == "measured"
        assert all(case.proposed for case in (*problem.cases, *problem.variants))
        assert len({case.name for case in problem.cases}) == len(problem.cases) > 0


def test_every_answer_belongs_to_a_file_of_the_corpus():
    assert {path.name for path in ANSWERS.glob("*.py")} <= {path.name for path in FILES}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_model", "defines no Model; it must be in KernelBench's format"),
        ("syntax_error", "line 3: not valid Python"),
        ("side_effects", r"line 5: `torch.manual_seed\(0\)` is called at the top level"),
    ],
)
def test_bad_files_are_named_with_the_reason(name, message):
    with pytest.raises(UsageError, match=rf"{name}\.py.*{message}"):
        load_problem(CORPUS / "bad" / f"{name}.py")


@pytest.mark.parametrize(
    "top",
    [
        "print('x')", "for i in range(3):\n    pass", "x = open('f')", "x = torch.rand(3)", "del nn",
        "try:\n    import a\nexcept ImportError:\n    print('x')", "import os; os.remove('f')",
        "if True:\n    x = input()",
        "def f():\n    print(1)\nx = f()", "def f(x=[]):\n    x.append(1)\ny = f()",
        "@print\ndef f():\n    return 1\nx = f()", "def f():\n    return g()\nx = f()",
        "assert torch.cuda.is_available()", "[print(1)]",
    ],
)  # fmt: skip
def test_what_does_something_when_imported_is_refused(top):
    with pytest.raises(UsageError, match="at the top level"):
        read(source(top))


@pytest.mark.parametrize(
    "top",
    [
        '"""A text."""', "import math\nscale = math.sqrt(2) * 3", "x: int = 3", "x: int",
        "size = torch.Size([2])",
        "try:\n    import a\nexcept ImportError:\n    a = None", "from typing import Optional",
        "if __name__ == '__main__':\n    print(1)", "def helper():\n    print(1)", "x = y = tuple(range(3))",
        "def f(n):\n    def g(x):\n        print(x)\n    return g\ng = f(2)",
        "def f(n):\n    k = n * 2\n    return len([k])\ndef h():\n    return f(2)\nx = h()",
    ],
)  # fmt: skip
def test_what_only_defines_things_is_read(top):
    assert read(source(top)).constants["rows"] == 1024


@pytest.mark.parametrize(
    ("constants", "found"),
    [
        ("a = 8192 * 2", {"a": 16384}),
        ("a, b = 3, (4, 5)", {"a": 3, "b": (4, 5)}),
        ("[a, b] = [3, 4 + 1]", {"a": 3, "b": 5}),
        ("a = [64] * 3 + [32]", {"a": [64, 64, 64, 32]}),
        ("a = (2 * 3, 1 << 4)", {"a": (6, 16)}),
        ("n = 16\na = (n, 3, 224)", {"n": 16, "a": (16, 3, 224)}),
        ("n = 16\na = (n,)\nb = n * 2\nc = (n, 3)", {"n": 16}),
        ("a = (n, 224)\nn = 16", {"n": 16}),
        ("a, *b = 3, 4, 5", {}),
        ("a, b = c = 3, 4", {"a": 3, "b": 4, "c": (3, 4)}),
        ("a = 2 ** 10000", {}),
        ("a = [0] * 10**9", {}),
        ("a = 1 // 0", {}),
        ("a = 'x' * 3", {}),
    ],
)
def test_what_a_constant_is(constants, found):
    assert read(source(constants=constants)).constants == found


def test_the_model_may_stay_as_it_is():
    text = source(constants="rows = batch_size = 64\ncolumns = 512").replace("return []", "return [columns]")
    sets = [case.constants for case in scaled_cases(read(text))]
    assert {"rows": 5, "batch_size": 2} in sets
    assert {"batch_size": 3} in sets


def test_constants_literals_titles_and_packages():
    found = read(
        source("'''Title.\n\nMore.'''\nimport einops\nfrom transformers.models import x\nimport math")
    )
    assert found.constants == {"rows": 1024, "columns": 512}
    assert found.packages == ("einops", "transformers")
    assert read(source("TITLE = 'text'")).title == ""
    assert read(source(constants="").replace("rows, columns", "8, 300")).literals == (8, 300)


def test_the_hash_is_that_of_the_normalised_text_and_of_the_rule(tmp_path):
    one = load_problem(write(tmp_path / "92_x.py", source())).problem
    same = load_problem(write(tmp_path / "93_y.py", source().replace("\n", "  \r\n") + "\n\n")).problem
    other = load_problem(write(tmp_path / "94_z.py", source(constants="rows = 1024\ncolumns = 511"))).problem
    assert one.hash == same.hash != other.hash
    assert (one.name, one.sizes[0].name) == ("92_x", "full")


def test_a_file_beside_it_overrides_the_rule(tmp_path):
    path = write(tmp_path / "92_x.py", source())
    ruled = load_problem(path).problem
    (tmp_path / "92_x.toml").write_text(
        'title = "Mine"\ncases = [{ name = "3x5", constants = { rows = 3, columns = 5 } }]\ntf32 = true\n'
    )
    found = load_problem(path)
    assert found.title == "Mine"
    assert [case.name for case in found.problem.cases] == ["3x5"]
    assert (found.problem.variants, found.problem.tolerance, found.problem.tf32) == ((), "fixed", True)
    assert found.problem.hash != ruled.hash


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cases = [{ name = 'a', constants = { row = 1 } }]", "no such constant; the nearest: rows"),
        ("case = 1", "unknown key 'case'"),
        ("cases = []", "cases"),
        ("cases = [", "not valid TOML"),
    ],
)
def test_what_is_wrong_beside_it_is_named(tmp_path, text, message):
    path = write(tmp_path / "92_x.py", source())
    (tmp_path / "92_x.toml").write_text(text)
    with pytest.raises(UsageError, match=rf"92_x\.toml.*{message}"):
        load_problem(path)


def test_a_folder_without_cases_gets_them_by_rule(tmp_path):
    (tmp_path / "problem.toml").write_text('title = "Short"\n')
    (tmp_path / "reference.py").write_text(source())
    problem = load_problem(tmp_path).problem
    assert problem.cases == load_problem(write(tmp_path.parent / "92_x.py", source())).problem.cases


def test_a_dtype_casts_a_problem_to_another_one():
    path = FILES[0]
    plain, half = load_problem(path).problem, load_problem(f"{path}@bf16").problem
    assert half.name == f"{plain.name}@bf16"
    assert half.hash != plain.hash
    assert {case.dtype for case in half.cases} == {"bfloat16"} == {size.dtype for size in half.sizes}
    assert {case.dtype for case in half.variants} == {"bfloat16", "float64", "float16"}
    assert load_problem(f"{path}@fp32").problem == plain


NUMBERS = st.integers(0, 1 << 20)
CONSTANTS = st.dictionaries(
    st.sampled_from(["batch_size", "rows", "columns", "heads", "dim", "shape", "eps", "mode"]),
    st.one_of(NUMBERS, st.lists(NUMBERS, max_size=4).map(tuple), st.floats(0, 8), st.just("same")),
)


def numbers(value):
    if isinstance(value, (tuple, list)):
        return [n for item in value for n in numbers(item)]
    return [value] if type(value) is int else []


@settings(deadline=None, max_examples=60)
@given(CONSTANTS)
def test_proposals_hold_for_any_constants(constants):
    text = "\n".join(f"{name} = {value!r}" for name, value in constants.items())
    found = read(source(constants=text))
    cases, others = scaled_cases(found), variants(found)
    assert cases
    assert len({case.name for case in cases}) == len(cases)
    assert len({json.dumps(case.constants, sort_keys=True) for case in cases}) == len(cases)
    for case in cases:
        assert case.proposed
        assert case.dtype is None
        for name, value in case.constants.items():
            official = constants.get(
                name, int(name.rpartition(" ")[2]) if name.startswith("literal") else None
            )
            assert len(numbers(value)) == len(numbers(official)), "the rank changed"
            assert all(1 <= new <= max(official_n, 127) for new, official_n in zip(
                numbers(value), numbers(official), strict=True
            ) if new != official_n)  # fmt: skip
    assert {"float16", "bfloat16", "float64", "transposed", "strided"} <= {case.name for case in others}


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(9, 1 << 20), min_size=2, max_size=5, unique=True))
def test_equal_numbers_stay_equal_and_primes_keep_their_order(sizes):
    text = "\n".join(f"a{i} = {n}\nb{i} = {n}" for i, n in enumerate(sizes))
    first = scaled_cases(read(source(constants=text)))[0].constants
    made = [first.get(f"a{i}", n) for i, n in enumerate(sizes)]
    assert made == [first.get(f"b{i}", n) for i, n in enumerate(sizes)]
    assert [n for _, n in sorted(zip(sizes, made, strict=True))] == sorted(made)


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("4_softmax_rows", "4_softmax_rows"),
        ("4_softmax_rows.py", "4_softmax_rows"),
        ("4", "4_softmax_rows"),
        ("level_1_problem_4", "4_softmax_rows"),
        ("level1_problem4", "4_softmax_rows"),
        ("400", None),
        ("softmax", None),
    ],
)
def test_a_reply_names_a_problem_by_its_file_or_number(word, found):
    path = find_problem(problem_paths(CORPUS), word)
    assert (path.stem if path else None) == found


def test_folders_come_in_the_order_of_their_numbers():
    names = [path.stem for path in problem_paths(CORPUS)]
    assert [name.partition("_")[0] for name in names[:40]] == [str(n) for n in range(1, 41)]
    with pytest.raises(UsageError, match="no such folder"):
        problem_paths(CORPUS / "none")


@pytest.mark.parametrize(
    ("words", "code", "out", "err"),
    [
        (["problems", "FILE"], 0, "1_square_matmul", ""),
        (["problems", "bad/no_model.py"], 2, "", "defines no Model"),
        (["problems", "--problems", ".", "--json"], 2, '"name": "40_rank_four"', "syntax_error.py, line 3"),
        (["problems", "."], 2, "", "a folder of many goes to --problems"),
        (["prompt", "FILE", "--stage", "seed", "--gpu", "4090"], 0, "return a @ b", ""),
        (["prompt", "bad/syntax_error.py", "--stage", "seed", "--gpu", "4090"], 2, "", "not valid Python"),
        (["check", "FILE", "--problem", "FILE", "--json"], 1, '"problem": "1_square_matmul"', ""),
    ],
)
def test_commands_take_files(words, code, out, err):
    words = [word.replace("FILE", "1_square_matmul.py") for word in words]
    done = subprocess.run(
        [Path(sys.executable).parent / "kernel-harness", *words],
        cwd=CORPUS, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, out in done.stdout, err in done.stderr) == (code, True, True), done
