"""Wrong ways of answering, made from the right answer: what every problem must refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch

_CONSTANT = 0.5
_CUT = 8


class Seen(NamedTuple):
    """What an attack may use: a right output, the call's first tensor, an earlier output of the case."""

    right: torch.Tensor
    given: torch.Tensor | None
    earlier: torch.Tensor


def _copy(seen: Seen) -> torch.Tensor:
    if seen.given is None or not seen.given.numel():
        return torch.zeros_like(seen.right)
    flat = seen.given.reshape(-1).to(seen.right.dtype)
    repeats = -(-seen.right.numel() // flat.numel())
    return flat.repeat(repeats)[: seen.right.numel()].reshape(seen.right.shape)


def _shuffled(seen: Seen) -> torch.Tensor:
    flat = seen.right.reshape(-1)
    return flat[torch.randperm(flat.numel())].reshape(seen.right.shape)


def _mean(seen: Seen) -> torch.Tensor:
    return torch.full_like(seen.right, seen.right.double().nan_to_num().mean().item())


def _halved(seen: Seen) -> torch.Tensor:
    """Round to half precision, to bfloat16 where float16 would overflow."""
    right = seen.right
    if not right.is_floating_point() or right.dtype.itemsize <= torch.half.itemsize:
        return right
    half = right.half()
    kept = half.isfinite() == right.isfinite()
    return (half if bool(kept.all()) else right.bfloat16()).to(right.dtype)


def _partial(seen: Seen) -> torch.Tensor:
    short = seen.right.clone().reshape(-1)
    short[short.numel() - max(1, short.numel() // _CUT) :] = 0
    return short.reshape(seen.right.shape)


ATTACKS: dict[str, Callable[[Seen], torch.Tensor]] = {
    "zeros": lambda seen: torch.zeros_like(seen.right),
    "ones": lambda seen: torch.ones_like(seen.right),
    "constant": lambda seen: torch.full_like(seen.right, _CONSTANT),
    "mean of the answer": _mean,
    "copy of the input": _copy,
    "shuffled answer": _shuffled,
    "previous answer": lambda seen: seen.earlier,
    "half-precision rounding": _halved,
    "partial answer": _partial,
}
BY_CONSTRUCTION = {
    "mean of the answer": "the answer is the same number everywhere",
    "copy of the input": "the answer is its input",
    "shuffled answer": "its elements are all the same",
    "half-precision rounding": "the answer has that precision already",
}
"""Attacks that may be the right answer, and what it means where they are."""
