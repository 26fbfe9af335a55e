"""Is this output right? An error budget per element, against a float64 oracle.

An element passes while ``|output - expected| <= budget * eps(dtype) * scale``: `scale` is what the
problem measures errors against (for a scan, the scan of the magnitudes, the element's own included),
so that long rows do not hide a dropped tail and cancellation does not fail an honest kernel.
"""

from __future__ import annotations

import torch

from eval.records import Record

DEFAULT_BUDGET = {"float32": 64.0, "float64": 64.0, "float16": 4.0, "bfloat16": 4.0}
"""In units of eps(dtype). Honest float32 scans stay below 4; a half-precision one reaches 10,000."""
_EXACT_LIMIT = 1e-300


class Mismatch(Record):
    """The worst wrong element."""

    index: tuple[int, ...]
    expected: float
    got: float
    budget: float
    """Largest error that would have passed there."""
    wrong: int
    """Number of wrong elements."""
    total: int
    finite: bool
    """False where the output is NaN or infinite and the oracle is not."""


def compare(
    output: torch.Tensor, expected: torch.Tensor, scale: torch.Tensor, budget: float
) -> Mismatch | None:
    """Return None when every element is within its budget, otherwise the worst one.

    `output` is what the candidate gave (any dtype), `expected` and `scale` are float64 of that shape.
    NaN and infinities are right only where the oracle has the very same.
    """
    if output.numel() == 0:
        return None
    eps = torch.finfo(output.dtype).eps if output.dtype.is_floating_point else 0.0
    got = output.double()
    allowed = scale * (budget * eps) + _smallest(output.dtype)
    error = (got - expected).abs_()
    same = (got == expected) | (got.isnan() & expected.isnan())
    right = same | (error <= allowed)
    if bool(right.all()):
        return None
    return _worst(got, expected, allowed, error, right)


def _smallest(dtype: torch.dtype) -> float:
    return torch.finfo(dtype).tiny if dtype.is_floating_point else _EXACT_LIMIT


def _worst(
    got: torch.Tensor, expected: torch.Tensor, allowed: torch.Tensor, error: torch.Tensor, right: torch.Tensor
) -> Mismatch:
    excess = (error / allowed).masked_fill_(right, -1.0).nan_to_num_(nan=float("inf"))
    flat = int(excess.reshape(-1).argmax())
    index = tuple(int(i) for i in torch.unravel_index(torch.tensor(flat), got.shape))
    broken = ~got.isfinite() & expected.isfinite()
    return Mismatch(
        index=index,
        expected=float(expected[index]),
        got=float(got[index]),
        budget=float(allowed[index]),
        wrong=int((~right).sum()),
        total=right.numel(),
        finite=not bool(broken.any()),
    )


def explain(mismatch: Mismatch) -> str:
    """Put a mismatch into one sentence."""
    where = ", ".join(str(i) for i in mismatch.index)
    return (
        f"{mismatch.wrong} of {mismatch.total} elements are wrong; at [{where}] expected "
        f"{mismatch.expected:.9g} within {mismatch.budget:.3g}, got {mismatch.got:.9g}"
    )
