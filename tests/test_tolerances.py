"""What the error budget of the seed problem lets through, and what it does not, on every kind of contents."""

import pytest

torch = pytest.importorskip("torch", reason="needs the extra `eval`")

from eval.judge.compare import DEFAULT_BUDGET, compare  # noqa: E402
from eval.judge.contents import DENSE, FAMILIES, fill  # noqa: E402
from eval.judge.reference import CaseReference  # noqa: E402
from eval.records import Case  # noqa: E402
from harness.problems import load_problem  # noqa: E402

PROBLEM = load_problem("cumsum_exclusive").problem
BUDGET = PROBLEM.error_budget.get("float32", DEFAULT_BUDGET["float32"])
ROWS = 12
LONG, SHORT = 32768, 257
EXACT = ("integers", "spikes", "signed_zeros")
"""Families in which a rounding to fewer bits need not show: sums of small whole numbers, zeros."""


def inputs(family, length, seed=0):
    x = torch.empty(ROWS, length)
    fill(x, family, torch.Generator().manual_seed(seed))
    return x


def judged(output, x):
    """Compare with the oracle as the judge does: the reference in double precision, the problem's scale."""
    case = Case(name="c", constants={"batch_size": x.shape[0], "input_shape": [x.shape[1]]})
    reference = CaseReference(PROBLEM, case)
    expected = reference.expected([x])
    return compare(output, expected[0], reference.scale([x], expected)[0], BUDGET)


def in_blocks(scan, block):
    """Scan block by block, the carry a running sum in single precision."""

    def run(x):
        carry, parts = torch.zeros(x.shape[0], 1), []
        for part in x.split(block, dim=1):
            parts.append(scan(part) + carry)
            carry = carry + part.sum(1, keepdim=True)
        return torch.cat(parts, 1)

    return run


def one_after_another(x):
    return torch.from_numpy(x.numpy().cumsum(axis=1, dtype="float32"))


def doubling(x):
    y, step = x.clone(), 1
    while step < y.shape[1]:
        y = torch.cat([y[:, :step], y[:, step:] + y[:, :-step]], 1)
        step *= 2
    return y


def exclusive(scan):
    return lambda x: torch.nn.functional.pad(scan(x[:-1]), (1, 0))


def minus_itself(x):
    inclusive = in_blocks(doubling, 512)(x[:-1])
    return torch.cat([inclusive - x[:-1], inclusive[:, -1:]], 1)


HONEST = {
    "one after another": exclusive(one_after_another),
    "blocks of 128": exclusive(in_blocks(one_after_another, 128)),
    "blocks of 8192 by doubling": exclusive(in_blocks(doubling, 8192)),
    "by doubling": exclusive(doubling),
    "in double precision": exclusive(lambda x: x.double().cumsum(1).float()),
    "torch's own": exclusive(lambda x: x.cumsum(1)),
    "inclusive minus itself": minus_itself,
}


@pytest.mark.parametrize("length", [LONG, SHORT])
@pytest.mark.parametrize("family", FAMILIES)
def test_honest_scans_in_single_precision_pass(family, length):
    x = inputs(family, length)
    failed = {name: judged(scan(x), x) for name, scan in HONEST.items()}
    assert {name: worst for name, worst in failed.items() if worst} == {}


def ten_bits(x):
    """Round the mantissa to 10 bits, as tensor cores do."""
    return ((x.contiguous().view(torch.int32) + 0x1000) & ~0x1FFF).view(torch.float32)


def right(x):
    return exclusive(lambda rows: rows.double().cumsum(1).float())(x)


def first_quarter(x):
    y = right(x)
    return torch.where(torch.arange(y.shape[1]) <= x.shape[1] // 4, y, y[:, x.shape[1] // 4, None])


def first_quarter_continued(x):
    """Guess the rest of a row from the mean of its first quarter."""
    read = x.shape[1] // 4
    mean = x[:-1, :read].double().mean(1, keepdim=True)
    beyond = (torch.arange(x.shape[1] + 1) - read).clamp(min=0)
    return (first_quarter(x).double() + mean * beyond).float()


WRONG = {
    "zeros": lambda x: torch.zeros_like(right(x)),
    "the mean": lambda x: right(x).mean().expand(ROWS - 1, x.shape[1] + 1).contiguous(),
    "the input": lambda x: torch.nn.functional.pad(x[:-1], (1, 0)),
    "rows moved": lambda x: right(x).roll(1, 0),
    "columns moved": lambda x: right(x).roll(1, 1),
    "elements shuffled": lambda x: right(x)[:, torch.randperm(x.shape[1] + 1)],
    "inclusive": lambda x: torch.cat([right(x)[:, 1:], right(x)[:, -1:]], 1),
    "the last element left out": lambda x: torch.cat([right(x)[:, :-1], right(x)[:, -2:-1]], 1),
    "a quarter": first_quarter,
    "a quarter continued": first_quarter_continued,
}
COARSE = {
    "input in half precision": lambda x: right(x.half().float()),
    "input in bfloat16": lambda x: right(x.bfloat16().float()),
    "input in ten bits": lambda x: right(ten_bits(x)),
    "output in half precision": lambda x: right(x).half().float(),
    "output in bfloat16": lambda x: right(x).bfloat16().float(),
    "output in ten bits": lambda x: ten_bits(right(x)),
}


@pytest.mark.parametrize("length", [LONG, SHORT])
@pytest.mark.parametrize("family", DENSE)
def test_wrong_and_coarse_answers_fail_at_any_length(family, length):
    """On the contents that timed calls get."""
    x = inputs(family, length)
    passed = [name for name, answer in (WRONG | COARSE).items() if judged(answer(x), x) is None]
    assert passed == []


@pytest.mark.parametrize("family", [family for family in FAMILIES if family not in EXACT])
def test_coarse_answers_fail_on_contents_that_are_not_exact(family):
    x = inputs(family, SHORT)
    assert [name for name, answer in COARSE.items() if judged(answer(x), x) is None] == []


@pytest.mark.parametrize("family", FAMILIES)
def test_the_answer_to_another_call_fails(family):
    x, earlier = inputs(family, SHORT), inputs(family, SHORT, seed=1)
    assert judged(right(earlier), x) is not None


@pytest.mark.parametrize("family", FAMILIES)
def test_answers_of_another_kind_fail(family):
    x = inputs(family, SHORT)
    if family == "spikes":
        x[0, -1] = 1.0  # most elements are zero there, and to leave out a zero is right
    assert [name for name, answer in WRONG.items() if judged(answer(x), x) is None] == []
