"""Problem folders: what is read, what is refused, and what a hash depends on."""

import ast
import hashlib
import shutil

import pytest

from harness.data import problems_dir
from harness.errors import UsageError
from harness.files import text_hash
from harness.problems import load_problem, problem_names

SEED = problems_dir() / "cumsum_exclusive"


@pytest.fixture
def folder(tmp_path):
    copy = tmp_path / "cumsum_exclusive"
    shutil.copytree(SEED, copy)
    return copy


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_the_seed_problem():
    found = load_problem("cumsum_exclusive")
    assert "cumsum_exclusive" in problem_names()
    assert found.name == "cumsum_exclusive"
    assert "class Scale" in (found.problem.error_scale or "")
    assert [size.name for size in found.problem.sizes] == ["full", "8gb", "4gb", "4096"]
    assert found.problem.sizes[0].constants == {"batch_size": 32768, "input_shape": [32768], "dim": 1}
    assert list(found.metrics) == ["4090"]
    assert found.current_code.startswith("# <corrected code>\n")
    assert found.current_code == (SEED / "current.py").read_text()


def test_official_constants_are_the_references_own():
    found = load_problem("cumsum_exclusive")
    values = {}
    for node in ast.parse(found.problem.reference).body:
        if isinstance(node, ast.Assign):
            values[node.targets[0].id] = ast.literal_eval(node.value)
    official = found.problem.sizes[0].constants
    assert {
        name: list(value) if isinstance(value, tuple) else value for name, value in values.items()
    } == official


def test_scaled_cases_keep_the_official_rank_and_stay_small():
    problem = load_problem("cumsum_exclusive").problem
    for case in problem.cases:
        assert set(case.constants) == {"batch_size", "input_shape"}
        assert case.constants["batch_size"] <= 140
        assert len(case.constants["input_shape"]) == 1
        assert case.constants["batch_size"] * case.constants["input_shape"][0] <= 20_000


def test_least_bytes_of_each_size():
    problem = load_problem("cumsum_exclusive").problem
    for size in problem.sizes:
        rows, length = size.constants["batch_size"] - 1, size.constants["input_shape"][0]
        assert problem.min_bytes[size.name] == 4 * rows * (length + length + 1)


def test_variants_cover_dims_ranks_layouts_and_dtypes():
    variants = load_problem("cumsum_exclusive").problem.variants
    assert {case.constants.get("dim") for case in variants} >= {0, 1, 2, -1}
    assert {len(case.constants["input_shape"]) for case in variants} == {0, 1, 2}
    assert {case.layout for case in variants} == {"contiguous", "transposed", "strided"}
    assert {case.dtype for case in variants} >= {"float64", "float16", "bfloat16"}


def test_a_problem_by_path_is_the_same_problem(folder):
    assert (
        load_problem(folder).problem
        == load_problem(str(folder)).problem
        == load_problem("cumsum_exclusive").problem
    )


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("reference.py", "return [dim]\n", "return [dim]   \n\n\n"),
        ("reference.py", "import torch\n", "import torch\r\n"),
        ("problem.toml", "# Scaled cases", "# The scaled cases"),
        ("problem.toml", 'title = "Exclusive', 'title = "The exclusive'),
    ],
)
def test_hash_stays(file, old, new, folder):
    edit(folder / file, old, new)
    assert load_problem(folder).problem.hash == load_problem("cumsum_exclusive").problem.hash


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("reference.py", "[:-1]", ""),
        ("reference.py", "torch.rand(", "torch.randn("),
        ("problem.toml", "row_overlap = 1", "row_overlap = 2"),
        ("error_scale.py", "torch.zeros_like", "torch.ones_like"),
        ("problem.toml", "batch_size = 17,", "batch_size = 18,"),
        ("problem.toml", "4096 = 134201340.0", "4096 = 134201341.0"),
    ],
)
def test_hash_changes(file, old, new, folder):
    edit(folder / file, old, new)
    assert load_problem(folder).problem.hash != load_problem("cumsum_exclusive").problem.hash


def test_current_code_is_not_part_of_the_problem(folder):
    (folder / "current.py").unlink()
    shutil.rmtree(folder / "metrics")
    edit(folder / "problem.toml", "[measured]\n4090", "[min_flops]\nfull = 7.0 #")
    found = load_problem(folder)
    assert (found.current_code, found.metrics, found.stale) == (None, {}, ())
    assert found.problem.min_flops == {"full": 7.0}


def test_metrics_of_an_older_current_code_are_stale(folder):
    edit(folder / "current.py", "carry = 0.0", "carry = 0.0 + 0.0")
    found = load_problem(folder)
    assert (found.metrics, found.stale) == ({}, ("4090",))


def test_solution_is_named_where_there_is_one(folder):
    (folder / "solution.py").write_text("")
    assert load_problem(folder).solution == folder / "solution.py"


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("problem.toml", "title =", "titel =", "unknown key 'titel'; the nearest: title"),
        ("problem.toml", "cpu_dtypes", "cpu_dtype", "unknown key 'cpu_dtype'; the nearest: cpu_dtypes"),
        ("error_scale.py", "class Scale", "class Scal", "defines no class Scale"),
        (
            "problem.toml",
            "memory_gb = 22.0",
            "memory = 22.0",
            "sizes.0: unknown key 'memory'; the nearest: memory_gb",
        ),
        (
            "problem.toml",
            "memory_gb = 22.0",
            "memory_gb = -1.0",
            "sizes.0.memory_gb: Input should be greater than 0",
        ),
        (
            "problem.toml",
            'layout = "strided"',
            'layout = "odd"',
            "variants.9.layout: Input should be 'contiguous'",
        ),
        (
            "problem.toml",
            'dtype = "float16"',
            'dtype = "half"',
            "variants.11.dtype: Input should be 'float16'",
        ),
        ("problem.toml", 'name = "3x7"', 'name = "2x1"', "cases and variants: the name '2x1' stands twice"),
        ("problem.toml", "8gb = 2147418108.0", "9gb = 1.0", "min_bytes: no size is called '9gb'"),
        (
            "problem.toml",
            "batch_size = 3,",
            "batch = 3,",
            "3x7: constants.batch: the reference has no such constant",
        ),
        ("problem.toml", "cases = [", "cases = []\nold = [", "unknown key 'old'"),
        ("problem.toml", "title = ", "title ", r"not valid TOML: .*\(at line 3"),
        ("problem.toml", "[measured]\n4090", "[min_flops]\nfull = 7.0 #", r"measured.4090: missing"),
        (
            "problem.toml",
            "[measured]\n4090",
            "[measured]\n4080 = ''\n4090",
            "measured.4080: there is no metrics/4080.json",
        ),
        (
            "reference.py",
            "class Model(",
            "class Modell(",
            "defines no Model; it must be in KernelBench's format",
        ),
        ("reference.py", "def get_init_inputs", "def init_inputs", "defines no get_init_inputs"),
        ("reference.py", "def forward(", "def forward((", "line 17: not valid Python"),
        ("metrics/4090.json", "39.36", "NaN", "holds NaN"),
    ],
)
def test_a_broken_file_names_the_place_and_what_is_allowed(file, old, new, message, folder):
    edit(folder / file, old, new)
    with pytest.raises(UsageError, match=message) as error:
        load_problem(folder)
    assert str(folder) in str(error.value)


def test_no_cases_at_all(folder):
    text = (folder / "problem.toml").read_text()
    start, end = text.index("cases = ["), text.index("variants = [")
    (folder / "problem.toml").write_text(text[:start] + "cases = []\n" + text[end:])
    with pytest.raises(UsageError, match=r"problem\.toml: cases: Tuple should have at least 1 item"):
        load_problem(folder)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("cumsum_exc", "unknown problem 'cumsum_exc'; the nearest: cumsum_exclusive"),
        ("cumsum_exlusive", "unknown problem 'cumsum_exlusive'; the nearest: cumsum_exclusive"),
        ("", "is no problem: it must be a folder"),
        ("no/such/folder", "unknown problem 'no/such/folder'"),
        (
            str(SEED / "reference.py"),
            r"reference\.py: is no problem: it must be a folder with a problem\.toml",
        ),
    ],
)
def test_unknown_problems(word, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=message):
        load_problem(word)


def test_text_hash_is_sha256_of_the_normalised_text():
    assert text_hash("\n\na  \r\nb\n\n") == hashlib.sha256(b"a\nb\n").hexdigest()
