import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="needs the extra `eval`")

from eval.judge.compare import DEFAULT_BUDGET, clearly_right, differs, explain  # noqa: E402
from eval.judge.compare import compare as worst_of  # noqa: E402

FLOATS = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
NAMES = {dtype: str(dtype).removeprefix("torch.") for dtype in FLOATS}
NAN, INF = float("nan"), float("inf")


def scan(dtype, rows=7, columns=513, seed=0):
    """Input, the oracle of its inclusive scan along rows, and the scale: the scan of the magnitudes."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, columns, generator=generator, dtype=torch.float64).mul(2.0**-4).to(dtype)
    return x, x.double().cumsum(1), x.double().abs().cumsum(1)


def compare(output, *limits):
    """Return the worst element, and find that whether there is one is answered alike."""
    found = worst_of(output, *limits)
    assert differs(output, *limits) == (found is not None)
    return found


def judged(output, expected, scale):
    return compare(output, expected, scale, DEFAULT_BUDGET[NAMES[output.dtype]])


def blocked(x, block=32):
    """A scan in the tensor's own precision, block by block, as an honest kernel adds."""
    carry, parts = torch.zeros(x.shape[0], 1, dtype=x.dtype), []
    for chunk in x.split(block, dim=1):
        parts.append(chunk.cumsum(1) + carry)
        carry = parts[-1][:, -1:]
    return torch.cat(parts, 1)


HONEST = {
    "torch's own": lambda x: x.cumsum(1),
    "in blocks": blocked,
    "inclusive minus itself plus itself": lambda x: (x.float().cumsum(1) - x.float() + x.float()).to(x.dtype),
    "in double precision": lambda x: x.double().cumsum(1).to(x.dtype),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=NAMES.get)
@pytest.mark.parametrize("how", HONEST)
def test_honest_rounding_passes(dtype, how):
    if dtype is torch.float64 and "minus" in how:
        return
    x, expected, scale = scan(dtype)
    assert judged(HONEST[how](x), expected, scale) is None


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=NAMES.get)
@pytest.mark.parametrize("how", ["torch's own", "in double precision"])
def test_honest_half_precision_passes(dtype, how):
    x, expected, scale = scan(dtype)
    assert judged(HONEST[how](x), expected, scale) is None


@pytest.mark.parametrize(
    ("dtype", "eps"), [(torch.float32, 8), (torch.float64, 8), (torch.float16, 2), (torch.bfloat16, 2)]
)
@pytest.mark.parametrize("sign", [-1, 1])
def test_a_few_roundings_in_every_element_pass(dtype, eps, sign):
    _, expected, scale = scan(dtype, columns=33)
    error = sign * eps * torch.finfo(dtype).eps * scale
    assert judged((expected + error).to(dtype), expected, scale) is None


WRONG = {
    "zeros": lambda x, y: torch.zeros_like(y),
    "ones": lambda x, y: torch.ones_like(y),
    "the mean": lambda x, y: y.mean().expand_as(y),
    "the input": lambda x, y: x.to(y.dtype),
    "another call's output": lambda x, y: scan(x.dtype, columns=x.shape[1], seed=1)[1],
    "rows shuffled": lambda x, y: y.roll(1, 0),
    "columns shuffled": lambda x, y: y.roll(1, 1),
    "elements shuffled": lambda x, y: y.flatten()[torch.randperm(y.numel())].view_as(y),
    "the sign": lambda x, y: -y,
    "a constant too much": lambda x, y: y + 1,
    "a factor": lambda x, y: y * 1.05,
    "a dropped tail": lambda x, y: torch.cat([y[:, :-1], y[:, -2:-1]], 1),
    "one element": lambda x, y: torch.where(torch.arange(y.shape[1]) == 30, y + 3, y),
    "the first row alone": lambda x, y: y[:1].expand_as(y),
}


@pytest.mark.parametrize("dtype", FLOATS, ids=NAMES.get)
@pytest.mark.parametrize("how", WRONG)
def test_wrong_answers_fail(dtype, how):
    x, expected, scale = scan(dtype, columns=513 if dtype.itemsize > 2 else 33)
    output = WRONG[how](x, expected).to(dtype)
    worst = judged(output, expected, scale)
    assert worst is not None
    assert worst.finite
    assert 0 < worst.wrong <= worst.total == output.numel()
    got, right = float(output[worst.index]), float(expected[worst.index])
    assert (worst.got, worst.expected) == (got, right)
    assert abs(got - right) > worst.budget > 0
    assert str(worst.wrong) in explain(worst)


@pytest.mark.parametrize("coarse", [torch.float16, torch.bfloat16], ids=NAMES.get)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=NAMES.get)
def test_less_precision_than_was_asked_for_fails(dtype, coarse):
    x, expected, scale = scan(dtype)
    assert judged(x.double().cumsum(1).to(coarse).to(dtype), expected, scale) is not None
    assert judged(x.to(coarse).double().cumsum(1).to(dtype), expected, scale) is not None


def test_single_precision_is_not_double():
    x, expected, scale = scan(torch.float64)
    assert judged(x.float().cumsum(1).double(), expected, scale) is not None


@pytest.mark.parametrize(
    ("got", "expected", "finite"),
    [
        (NAN, 1.0, False),
        (INF, 1.0, False),
        (-INF, 1.0, False),
        (5.0, 1.0, True),
        (1.0, NAN, True),
        (1.0, INF, True),
        (3e38, INF, True),
        (-INF, INF, True),
        (INF, NAN, True),
        (NAN, INF, True),
    ],
)
@pytest.mark.parametrize("scale", [0.0, 1.0, INF, NAN])
def test_nan_and_infinities_are_right_only_where_the_oracle_has_the_same(got, expected, finite, scale):
    fine = torch.tensor([1.0, 2.0])
    worst = compare(
        torch.cat([fine, torch.tensor([got])]), torch.cat([fine, torch.tensor([expected])]).double(),
        torch.tensor([1.0, 1.0, scale], dtype=torch.float64), 64.0,
    )  # fmt: skip
    assert worst is not None
    assert (worst.index, worst.wrong, worst.finite) == ((2,), 1, finite)


@pytest.mark.parametrize("value", [NAN, INF, -INF, 0.0, -0.0])
@pytest.mark.parametrize("scale", [0.0, 1.0, INF, NAN])
def test_what_the_oracle_has_is_right(value, scale):
    tensor = torch.tensor([value])
    assert compare(tensor, tensor.double(), torch.tensor([scale], dtype=torch.float64), 64.0) is None


def test_an_element_without_magnitude_must_be_zero_up_to_the_smallest_number():
    zero = torch.zeros(1, dtype=torch.float64)
    assert compare(torch.tensor([1e-39]), zero, zero, 64.0) is None
    assert compare(torch.tensor([1e-30]), zero, zero, 64.0) is not None


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8, torch.bool])
def test_whole_numbers_must_be_equal(dtype):
    expected = torch.tensor([0, 1, 1, 0]).to(dtype)
    nothing = torch.zeros(4, dtype=torch.float64)
    assert compare(expected.clone(), expected, nothing, 64.0) is None
    worst = compare(torch.tensor([0, 1, 0, 0]).to(dtype), expected, nothing + 100, 64.0)
    assert worst is not None
    assert worst.index == (2,)


def test_whole_numbers_beyond_double_precision_are_told_apart():
    expected = torch.tensor([2**60])
    nothing = torch.zeros(1, dtype=torch.float64)
    assert compare(expected + 1, expected, nothing, 64.0) is not None


def test_both_parts_of_a_complex_number_count():
    expected = torch.tensor([1 + 2j, 3 - 4j], dtype=torch.complex128)
    scale = expected.abs()
    assert compare(expected.to(torch.complex64), expected, scale, 64.0) is None
    wrong = torch.tensor([1 + 2j, 3 + 4j], dtype=torch.complex64)
    worst = compare(wrong, expected, scale, 64.0)
    assert worst is not None
    assert worst.index == (1, 1)


@pytest.mark.parametrize("shape", [(0,), (3, 0)])
def test_an_empty_output_is_right(shape):
    nothing = torch.empty(shape)
    assert compare(nothing, nothing.double(), nothing.double(), 64.0) is None


def test_a_single_number_has_an_empty_index():
    worst = compare(torch.tensor(2.0), torch.tensor(1.0).double(), torch.tensor(1.0).double(), 64.0)
    assert worst is not None
    assert worst.index == ()


@given(
    st.floats(-1e6, 1e6, width=32),
    st.floats(1e-3, 1e6),
    st.floats(0, 4),
    st.sampled_from([torch.float32, torch.float64]),
)
def test_the_budget_is_the_border(expected, scale, budgets, dtype):
    """An error of some budgets is right below one budget and wrong above."""
    allowed = 64.0 * torch.finfo(dtype).eps * scale
    oracle = torch.tensor([expected], dtype=torch.float64)
    output = (oracle + budgets * allowed).to(dtype)
    error = abs(float(output) - expected)
    if math.isclose(error, allowed, rel_tol=1e-6):
        return
    worst = compare(output, oracle, torch.tensor([scale], dtype=torch.float64), 64.0)
    assert (worst is None) == (error < allowed)


@given(st.integers(-40, 40), st.integers(0, 9))
def test_units_do_not_matter(power, seed):
    _, expected, scale = scan(torch.float64, rows=2, columns=65, seed=seed)
    slightly = expected * (1 + 40 * torch.finfo(torch.float64).eps * torch.randn(65).sign())
    plain = compare(slightly, expected, scale, 64.0)
    scaled = compare(slightly * 2.0**power, expected * 2.0**power, scale * 2.0**power, 64.0)
    assert (plain is None) == (scaled is None)


@pytest.mark.parametrize(
    ("output", "right"),
    [([INF, 1.0], True), ([NAN, 1.0], True), ([1e30, 1.0], True), ([2e30, 1.0], False), ([1e30, INF], False)],
)
def test_where_the_reference_overflows_on_the_way_a_candidate_may_and_need_not(output, right):
    expected = torch.tensor([1e30, 1.0], dtype=torch.float64)
    overflown = torch.tensor([True, False])
    found = compare(torch.tensor(output), expected, expected.abs(), 64.0, overflown)
    assert (found is None) == right
    assert compare(torch.tensor([INF, 1.0]), expected, expected.abs(), 64.0) is not None


@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.bfloat16, torch.float64, torch.complex64, torch.int64]
)
def test_what_is_clearly_right_is_right(dtype):
    """Whatever is in it; and what is finite and right is clearly so."""
    rng = torch.Generator().manual_seed(7)
    odd = torch.tensor([torch.nan, torch.inf, -torch.inf, 0.0, -0.0, 1e-45, 3e38])
    clear = 0
    for trial in range(300):
        expected = torch.randn(6, generator=rng, dtype=torch.float64).mul_(8).to(dtype).to(dtype)
        output, scale = expected.clone(), torch.rand(6, generator=rng, dtype=torch.float64)
        if dtype.is_floating_point:
            output += (trial % 3) * 1e-6 * torch.randn(6, generator=rng, dtype=torch.float64).to(dtype)
            for tensor in (output, expected, scale)[: trial % 4]:
                at, value = (int(torch.randint(n, (), generator=rng)) for n in (6, 7))
                tensor[at] = odd[value].abs() if tensor is scale else odd[value]
        wide = expected.double() if dtype.is_floating_point else expected
        found = clearly_right(output, wide, scale, 64.0)
        clear += bool(found)
        if found:
            assert compare(output, wide, scale, 64.0) is None
        elif bool(output.isfinite().all() & wide.isfinite().all() & scale.isfinite().all()):
            assert compare(output, wide, scale, 64.0) is not None
    assert clear > 20
