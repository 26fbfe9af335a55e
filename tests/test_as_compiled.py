"""Kernels mean the same in Triton's interpreter as on a GPU."""

import pytest

pytest.importorskip("torch", reason="needs the extra `eval`")
pytest.importorskip("triton", reason="needs the extra `eval`")

from judge_work import candidate, ended, job
from triton.compiler.code_generator import CodeGenerator

RIGHT = {
    "and of blocks": "mask = i >= 0 and i < n",
    "and of a block and a number": "mask = i >= 0 and n > 0 and i < n",
    "or and not of blocks": "mask = not (i >= n or i < 0)",
    "or that is true at once": "mask = (n > 0 or i < 0) and i < n",
    "not of a number": "if not n > 0:\n    mask = i < 0",
    "a single truth value and a block": "mask = (n > 0) & (i < n)",
    "min of blocks": "i = min(i, n - 1)\nmask = i >= 0",
    "min and max of several": "i = min(max(0, i, -1), n - 1, n)\nmask = i >= 0",
    "min of numbers": "for step in range(min(2, 1)):\n    mask = i < n",
    "a loop that counts": "for step in range(1, 2):\n    factor = factor * step.to(tl.float32)",
    "a sum of what a loop counts": "for at in tl.range(0, 1):\n    factor = factor * (at + 1).to(tl.float32)",
    "a loop that is written out": "for k in tl.static_range(1, 2):\n    mask &= tl.arange(0, 64 * k) < 64",
    "sorting": "i = tl.sort(63 - i % 64) + i // 64 * 64\nmask = i < n",
    "bits joined": "i = i + tl.xor_sum(tl.arange(0, 64), 0) + tl.reduce_or(i * 0, 0)\nmask = i < n",
    "an own reduction": "i = i + tl.reduce(tl.arange(0, 64), 0, _larger) - 63\nmask = i < n",
    "an own reduction of pairs over all axes, kept": """
        a, b = tl.reduce((tl.arange(0, 64).reshape(4, 16), i.reshape(4, 16)), None, _earlier, keep_dims=True)
        i = i + a.reshape(1) + b.reshape(1) - b.reshape(1)
        mask = i < n
        """,
    "an own reduction along the second axis": """
        i = i + tl.sum(tl.reduce(i.reshape(8, 8), 1, _larger) * 0, 0)
        mask = i < n
        """,
    "an own scan": "i = i + tl.associative_scan(i - i, 0, _larger)\nmask = i < n",
    "an own scan whose order counts": """
        at, _ = tl.associative_scan((tl.arange(0, 64), i), 0, _last)
        i = i - i % 64 + at
        mask = i < n
        """,
    "an own scan of rows, backwards": """
        rows = (63 - tl.arange(0, 64)).reshape(4, 16)
        i = i - i % 64 + (63 - tl.associative_scan(rows, 1, _larger, reverse=True).reshape(64))
        mask = i < n
        """,
    "whole numbers that wrap around": """
        big = i * 1103515245 + 2147483647
        i = i + (big ^ big)
        mask = i < n
        """,
    "a plain number given": "factor = factor.to(tl.float32)",
    "text that looks like code": '"""\ndef other():\n    pass\n"""',
}
JOINING = """
@triton.jit
def _larger(one, other):
    return tl.where(one > other, one, other)


@triton.jit
def _last(a, b, c, d):
    return c, d


@triton.jit
def _earlier(a, b, c, d):
    first = a <= c
    return tl.where(first, a, c), tl.where(first, b, d)
"""
"""Functions that reductions and scans join elements by."""
ASSIGNS = pytest.param(
    "if (m := n + 0) > 0 and m == n:\n    mask = i < m",
    id="what a test assigns",
    marks=pytest.mark.skipif(
        not hasattr(CodeGenerator, "visit_NamedExpr"), reason="this Triton compiles no such assignment"
    ),
)


@pytest.mark.parametrize("kernel", [*(pytest.param(RIGHT[name], id=name) for name in RIGHT), ASSIGNS])
def test_what_is_right_on_a_gpu_passes(judge, kernel):
    verdict = judge.evaluate(job(candidate(kernel=kernel, top=JOINING)))
    assert ended(verdict) == "passed", verdict.detail


WRONG = {
    "and": "mask = i > 0 and i < n",
    "or": "mask = i < n and (i > 2 or i < 1)",
    "not": "mask = not (i >= n or i == 3)",
    "min": "mask = min(i, 5) < min(n, 5)",
    "max": "i = max(i, 1)\nmask = i < n",
    "sort": "i = tl.sort(i) + 1\nmask = i < n",
    "own reduction": "i = i + tl.reduce(tl.arange(0, 32), 0, _larger)\nmask = i < n",
    "own scan": "at, _ = tl.associative_scan((i, i), 0, _earlier)\ni = at\nmask = i < n",
    "bits": "i = i + tl.xor_sum(tl.arange(0, 32), 0) + 1\nmask = i < n",
    "loop": "for step in range(2, 3):\n    factor = factor * step.to(tl.float32)",
}


@pytest.mark.parametrize("kernel", WRONG.values(), ids=WRONG)
def test_what_is_wrong_on_a_gpu_does_not(judge, kernel):
    assert judge.evaluate(job(candidate(kernel=kernel, top=JOINING))).status in {"incorrect", "failed"}


def test_a_function_of_the_candidate_is_not_taken_for_one_of_pythons(judge):
    top = "@triton.jit\ndef min(a, b):\n    return a + b\n"
    assert ended(judge.evaluate(job(candidate(top=top, kernel="factor = min(factor, 0.0)")))) == "passed"


HELPER = """
@triton.jit
def widened(value, wide: tl.constexpr):
    return value.to(wide)
"""


def test_a_function_that_is_given_a_number_may_ask_for_its_type(judge):
    kernel = "for step in range(1, 2):\n    factor = factor * widened(step, tl.float32)"
    assert ended(judge.evaluate(job(candidate(top=HELPER, kernel=kernel)))) == "passed"
