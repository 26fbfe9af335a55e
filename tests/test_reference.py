import pytest

torch = pytest.importorskip("torch", reason="needs the extra `eval`")

from eval.judge.contents import fill  # noqa: E402
from eval.judge.faults import JudgeError  # noqa: E402
from eval.judge.reference import CaseReference, describe, flatten, patched_source  # noqa: E402
from eval.records import Case, Problem, SizeProfile  # noqa: E402
from harness.problems import load_problem  # noqa: E402

SOURCE = """
import torch
import torch.nn as nn

class Model(nn.Module):
    def __init__(self, dim, bias):
        super().__init__()
        self.dim, self.bias = dim, bias

    def forward(self, x, n, mask):
        return x.cumsum(self.dim) + self.bias, (x > 0).sum(self.dim), {returned}

rows = 3
shape = (4, 5)
dim = 1

def get_inputs():
    return [torch.rand(rows, *shape), 7, torch.ones(rows, dtype=torch.bool)]

def get_init_inputs():
    return [dim, 0.5]
"""
SEED = load_problem("cumsum_exclusive").problem


def problem(source=SOURCE, returned="mask", **fields):
    source = source.replace("{returned}", returned)
    return Problem(
        name="p", reference=source, sizes=(SizeProfile(name="full"),), cases=(), hash="0", **fields
    )


def reference(constants=None, dtype=None, **fields):
    return CaseReference(problem(**fields), Case(name="c", constants=constants or {}, dtype=dtype))


def contents(case):
    generator = torch.Generator().manual_seed(0)
    made = []
    for spec in case.inputs:
        if spec.shape is None:
            made.append(spec.value)
            continue
        tensor = torch.ones(spec.shape, dtype=spec.dtype)
        if tensor.is_floating_point():
            fill(tensor, "normal", generator)
        made.append(tensor)
    return made


def test_constants_are_replaced_and_nothing_else():
    space = {}
    source = "a = 1\nb = a + 1\nc = (1,)\nd: int = 4\ne = f = 5\ng: int = 6\n"
    exec(patched_source(source, {"a": 10, "c": [2, 3], "f": 7, "g": 8}), space)
    assert [space[name] for name in "abcdefg"] == [10, 11, (2, 3), 4, 7, 7, 8]


def test_constants_that_are_given_together_are_replaced_one_by_one():
    space = {}
    exec(patched_source("a, b = 1, (2, 3)\n[c, d] = [4, 5]\n", {"b": [7, 8], "c": 9}), space)
    assert [space[name] for name in "abcd"] == [1, (7, 8), 9, 5]


def test_inputs_are_made_where_the_judge_makes_them():
    made = "def get_inputs():\n    return [torch.rand(3, device='cuda').cuda().double()]\n"
    space = {"torch": torch}
    exec(patched_source(made, {}), space)
    assert space["get_inputs"]()[0].device.type == "cpu"
    kept = patched_source("def forward(x):\n    return x.to(torch.zeros(1, device=x.device)).cuda()\n", {})
    assert "device=x.device" in kept
    assert ".cuda()" in kept


def test_constants_inside_of_functions_are_left_alone():
    space = {}
    exec(patched_source("n = 1\ndef f():\n    n = 2\n    return n\n", {"n": 9}), space)
    assert (space["n"], space["f"]()) == (9, 2)


@pytest.mark.parametrize(
    "source", ["a = 1\n", "def n():\n    pass\n", "class n:\n    n = 1\n", "import n\n", ""]
)
def test_an_unknown_constant_is_our_failure(source):
    with pytest.raises(JudgeError, match="no module constant n"):
        patched_source(source, {"n": 1})


def test_inputs_and_arguments_follow_the_constants():
    case = reference({"rows": 2, "shape": [6], "dim": 0})
    assert [spec.shape for spec in case.inputs] == [(2, 6), None, (2,)]
    assert [spec.dtype for spec in case.inputs] == [torch.float32, None, torch.bool]
    assert case.inputs[1].value == 7
    assert case.init == [0, 0.5]


def test_a_dtype_replaces_floating_inputs_alone():
    case = reference(dtype="float16")
    assert [spec.dtype for spec in case.inputs] == [torch.float16, None, torch.bool]
    assert case.float_dtypes() == {"float16"}


def test_a_signature_says_structure_shapes_and_dtypes():
    signature = reference().signature()
    assert signature.structure == "tuple"
    assert signature.shapes == ((3, 4, 5), (3, 5), (3,))
    assert signature.dtypes == (torch.float32, torch.int64, torch.bool)
    assert describe(signature) == "float32 [3, 4, 5], int64 [3, 5], bool [3]"


@pytest.mark.parametrize("case", [*SEED.cases, *SEED.variants], ids=lambda case: case.name)
def test_signatures_on_meta_tensors_are_those_of_a_real_run(case):
    made = CaseReference(SEED, case)
    space = {}
    exec(made.source, space)
    structure, parts = flatten(space["Model"](*made.init)(*contents(made)))
    signature = made.signature()
    assert signature.structure == structure
    assert signature.shapes == tuple(tuple(part.shape) for part in parts)
    assert signature.dtypes == tuple(part.dtype for part in parts)


def test_a_large_case_has_the_signature_that_a_small_one_suggests():
    """Of 4 GB nothing is allocated: shapes are found on meta tensors."""
    official = CaseReference(SEED, Case(name="full")).signature()
    assert official.shapes == ((32767, 32769),)
    assert official.dtypes == (torch.float32,)


READS_VALUES = {
    "a constructor": (
        "self.dim, self.bias = dim, bias",
        "self.dim, self.bias = dim, torch.tensor(0.5).item()",
    ),
    "forward": ("return x.cumsum", "return x[: int(x.sum().item() >= 0) + 4].cumsum"),
}


@pytest.mark.parametrize("change", READS_VALUES.values(), ids=READS_VALUES)
def test_a_large_case_that_reads_values_of_tensors_is_run(change):
    assert change[0] in SOURCE
    case = reference({"rows": 5000}, source=SOURCE.replace(*change))
    assert case.elements() > 1 << 16
    rows = 5 if "return" in change[0] else 5000
    assert case.signature().shapes == ((rows, 4, 5), (5000, 5), (5000,))
    assert case.find_signature() == case.signature()


def test_a_large_case_that_does_not_run_is_our_failure():
    with pytest.raises(JudgeError, match="does not run on meta tensors"):
        reference({"rows": 5000}, source=SOURCE.replace("x.cumsum(self.dim)", "x.view(3)")).signature()


@pytest.mark.parametrize("case", [*SEED.cases, *SEED.variants], ids=lambda case: case.name)
def test_expected_values_and_scales_are_double_and_fit(case):
    made = CaseReference(SEED, case)
    inputs = contents(made)
    expected = made.expected(inputs)
    scales = made.scale(inputs, expected)
    assert [part.dtype for part in [*expected, *scales]] == [torch.float64] * 2
    assert [tuple(part.shape) for part in expected] == list(made.signature().shapes)
    assert [part.shape for part in scales] == [part.shape for part in expected]
    assert all(bool((scale >= 0).all()) for scale in scales)
    assert all(
        bool((scale >= part.abs() * (1 - 1e-12)).all()) for scale, part in zip(scales, expected, strict=True)
    )


def test_the_oracle_computes_in_double_precision():
    case = reference({"rows": 1, "shape": [100_000], "dim": 1})
    x, n, mask = contents(case)
    x.fill_(0.1)
    expected = case.expected([x, n, mask])[0]
    assert expected.dtype == torch.float64
    assert float(expected[0, -1]) == pytest.approx(100_000 * float(x[0, 0]) + 0.5, rel=1e-12)
    assert float(x.cumsum(1)[0, -1]) != pytest.approx(float(expected[0, -1]) - 0.5, rel=1e-12)


def test_the_oracles_parameters_are_double_too():
    source = SOURCE.replace("= dim, bias", "= dim, nn.Linear(5, 5)").replace("+ self.bias", "+ self.bias(x)")
    case = reference(source=source)
    assert case.expected(contents(case))[0].dtype == torch.float64


def test_the_oracle_leaves_its_inputs_alone():
    case = reference(source=SOURCE.replace("return x.cumsum", "x.zero_()\n        return x.cumsum"))
    inputs = contents(case)
    before = inputs[0].clone()
    case.expected(inputs)
    assert torch.equal(inputs[0], before)


MINDFUL = """
import torch
import torch.nn as nn

class Model(nn.Module):
    def __init__(self, added):
        super().__init__()
        self.added, self.calls = added, KEPT

    def forward(self, x):
        seen = FOUND
        LEFT
        return x + self.added + seen

def get_inputs():
    return [torch.rand(3)]

def get_init_inputs():
    return [0.5]
"""


@pytest.mark.parametrize(
    ("kept", "found", "left"),
    [
        ("0", "self.calls", "self.calls += 1"),
        ("[]", "len(self.calls)", "self.calls.append(1)"),
        ("[[]]", "len(self.calls[0])", "self.calls[0].append(1)"),
        ("{}", "len(self.calls)", "self.calls[len(self.calls)] = 1"),
        ("0", "len(self._buffers)", "self.register_buffer('more', x)"),
        ("[]; self.same = self.calls", "len(self.same)", "self.calls.append(1); seen = len(self.same)"),
        ("0", "len(self._forward_hooks)", "self.register_forward_hook(print)"),
        ("nn.ReLU()", "len(vars(self.calls)) - 17", "self.calls.more = 1"),
        ("torch.zeros(1)", "float(self.calls)", "self.calls += 1"),
    ],
)
def test_each_answer_is_that_of_a_first_call(kept, found, left):
    source = MINDFUL.replace("KEPT", kept).replace("FOUND", found).replace("LEFT", left)
    case = reference(source=source)
    space = {}
    exec(source, space)
    inputs = [torch.zeros(3)]
    wanted = space["Model"](0.5)(*inputs)
    for _ in range(2):
        assert torch.equal(case.expected(inputs)[0], wanted.double())


def test_without_a_scale_an_element_counts_at_least_the_mean():
    case = reference()
    parts = case.expected(contents(case))
    scales = case.scale([], parts)
    mean = parts[0].abs().mean()
    assert torch.equal(scales[0], parts[0].abs().clamp_min(mean))
    assert all(scale.dtype == torch.float64 for scale in scales)


def test_a_scale_of_the_problems_own_sees_magnitudes():
    scale = """
import torch
class Scale(torch.nn.Module):
    def __init__(self, dim, bias):
        super().__init__()
        self.dim = dim
    def forward(self, x, n, mask):
        return x.cumsum(self.dim), x.sum(self.dim), mask
"""
    case = reference(error_scale=scale)
    inputs = contents(case)
    scales = case.scale(inputs, case.expected(inputs))
    assert torch.equal(scales[0], inputs[0].double().abs().cumsum(1))


def test_complex_numbers_are_known():
    case = reference(returned="torch.complex(x, x)")
    inputs = contents(case)
    parts = case.expected(inputs)
    assert parts[2].dtype == torch.complex128
    assert case.scale(inputs, parts)[2].dtype == torch.float64
    assert case.float_dtypes() == {"float32", "complex64"}


@pytest.mark.parametrize(
    "source",
    [
        "class Model: pass",
        "def get_inputs(:",
        SOURCE.replace("import torch\n", "raise RuntimeError('x')\n", 1),
        SOURCE.replace("torch.rand(rows, *shape)", "torch.rand(rows, *shape).tolist()"),
        SOURCE.replace("return [dim, 0.5]", "return [undefined]"),
        SOURCE.replace("x.cumsum(self.dim)", "x[bool(x.sum() > 0)]").replace("rows = 3", "rows = 300_000"),
        SOURCE.replace("x.cumsum(self.dim)", "len(x)"),
    ],
)
def test_a_reference_that_does_not_work_is_our_failure(source):
    with pytest.raises(JudgeError, match="reference"):
        reference(source=source).signature()


@pytest.mark.parametrize(
    ("result", "structure", "count"),
    [
        (torch.ones(1), "tensor", 1),
        ((torch.ones(1), torch.ones(2)), "tuple", 2),
        ([torch.ones(1)], "list", 1),
        ({"a": torch.ones(1), "b": torch.ones(1)}, "dict:a,b", 2),
        ((), "tuple", 0),
    ],
)
def test_structures_are_named_as_runners_name_them(result, structure, count):
    from eval.runner import outputs

    assert flatten(result)[0] == outputs.flatten(result)[0] == structure
    assert len(flatten(result)[1]) == count
