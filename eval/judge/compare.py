"""Is this output right? An error budget per element, against a float64 oracle.

An element passes while ``|output - expected| <= budget * eps(dtype) * scale``: `scale` is what the
problem measures errors against (for a scan, the scan of the magnitudes, the element's own included),
so that long rows do not hide a dropped tail and cancellation does not fail an honest kernel.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch

from eval.records import Record

DEFAULT_BUDGET = {"float32": 64.0, "float64": 64.0, "float16": 4.0, "bfloat16": 4.0}
"""In units of eps(dtype). Honest float32 scans stay below 4; a half-precision one reaches 10,000."""
_EXACT_LIMIT = 1e-300


NOISE_FACTOR = 8.0
"""Sums one after another err more than torch's own, which add in blocks: by 4 at 1,000 terms."""


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
    output: torch.Tensor, expected: torch.Tensor, scale: torch.Tensor, budget: float,
    overflown: torch.Tensor | None = None,
) -> Mismatch | None:  # fmt: skip
    """Return None when every element is within its budget, otherwise the worst one.

    `output` is what the candidate gave, `expected` and `scale` are of that shape and of double
    precision. NaN and infinities are right only where the oracle has the very same, or where the reference
    itself left the range of its dtype (`overflown`); integers must be equal. The parts of complex numbers
    are elements of their own, along a last dimension.
    """
    held = _wrong(output, expected, scale, budget, overflown)
    return _worst(held) if held is not None else None


def differs(
    output: torch.Tensor, expected: torch.Tensor, scale: torch.Tensor, budget: float,
    overflown: torch.Tensor | None = None,
) -> bool:  # fmt: skip
    """Tell whether `compare` finds something, without asking what."""
    return _wrong(output, expected, scale, budget, overflown) is not None


def _wrong(
    output: torch.Tensor, expected: torch.Tensor, scale: torch.Tensor, budget: float,
    overflown: torch.Tensor | None,
) -> _Held | None:  # fmt: skip
    if output.numel() == 0:
        return None
    if output.is_complex():
        parts = torch.view_as_real(expected.to(torch.complex128))
        return _wrong(torch.view_as_real(output), parts, scale.unsqueeze(-1).expand_as(parts), budget, None)
    if not output.is_floating_point():
        return _wrong_exactly(output, expected)
    got = output.to(torch.float64, copy=True)  # so that it stays as it is looked at
    if bool(_clear(got, expected, scale, budget, torch.finfo(output.dtype))):
        return None
    held = _held_against(got, expected, scale, budget, torch.finfo(output.dtype), overflown)
    return None if bool(held.right.all()) else held


def clearly_right(
    output: torch.Tensor, expected: torch.Tensor, scale: torch.Tensor, budget: float
) -> torch.Tensor:
    """Return one truth value on the device, without waiting for it: where it is true `compare` finds nothing.

    Where it is not, something is wrong, or NaN or infinite as it should be: `compare` tells.
    """
    if output.numel() == 0:
        return torch.ones((), dtype=torch.bool, device=output.device)
    if output.is_complex():
        parts = torch.view_as_real(expected.to(torch.complex128))
        return clearly_right(torch.view_as_real(output), parts, scale.unsqueeze(-1).expand_as(parts), budget)
    if not output.is_floating_point():
        return (output == expected).all()
    return _clear(output.double(), expected, scale, budget, torch.finfo(output.dtype))


def _clear(
    got: torch.Tensor, expected: torch.Tensor, scale: torch.Tensor, budget: float, limits: torch.finfo
) -> torch.Tensor:
    """Look at all errors in few passes over memory; anything that is not finite makes it false."""
    margin = (got - expected).abs_().sub_(scale, alpha=budget * limits.eps)
    least, most = margin.aminmax()
    return (most <= limits.tiny) & (least > -math.inf)


class _Held(NamedTuple):
    """Each element of an output beside what it may be."""

    got: torch.Tensor
    expected: torch.Tensor
    allowed: torch.Tensor
    error: torch.Tensor
    right: torch.Tensor


def _held_against(
    got: torch.Tensor, expected: torch.Tensor, scale: torch.Tensor, budget: float, limits: torch.finfo,
    overflown: torch.Tensor | None,
) -> _Held:  # fmt: skip
    allowed = (scale * (budget * limits.eps) + limits.tiny).nan_to_num_(nan=0.0, posinf=0.0)
    error = (got - expected).abs_()
    same = (got == expected) | (got.isnan() & expected.isnan())
    right = same | ((error <= allowed) & expected.isfinite())
    if overflown is not None:
        right |= overflown & ~got.isfinite()
    return _Held(got, expected, allowed, error, right)


def noise(rounded: torch.Tensor, expected: torch.Tensor, scale: torch.Tensor) -> float:
    """Return the largest error of `rounded`, in units of eps(dtype) times the scale; 0 for whole numbers."""
    if not rounded.is_floating_point():
        return 0.0
    error = (rounded.double() - expected).abs_() / (scale * torch.finfo(rounded.dtype).eps)
    error = error[error.isfinite() & (scale > 0)]
    return float(error.max()) if error.numel() else 0.0


def _wrong_exactly(output: torch.Tensor, expected: torch.Tensor) -> _Held | None:
    right = output == expected
    if bool(right.all()):
        return None
    got, wanted = output.double(), expected.double()
    nothing = torch.full_like(got, _EXACT_LIMIT)
    return _Held(got, wanted, nothing, (got - wanted).abs_(), right)


def _worst(held: _Held) -> Mismatch:
    got, expected, allowed, error, right = held
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
