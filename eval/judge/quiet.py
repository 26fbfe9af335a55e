"""Does anybody else work on the GPU right now? A little work of the judge's own waits for its turn then."""

from __future__ import annotations

import time
from functools import cache

import torch

_LOOKS, _BETWEEN_LOOKS_SECONDS = 5, 0.0005
"""Together longer than the 2.3 ms that a process waited for its turn beside one with work on an H200."""
_MOST_SECONDS = 0.0003
"""Looks at an idle H200 are over sooner, and those beside another's work there are not
(tests/test_dying_gpu.py). Where MPS lets processes share a GPU it does not show."""
_BYTES = 1 << 20


def is_quiet() -> bool:
    """Tell whether each of some looks is over at once; False at the first that is not."""
    return all(_look_seconds() < _MOST_SECONDS for _ in range(_LOOKS))


def _look_seconds() -> float:
    """Let a short program run, and return how long that took from here."""
    time.sleep(_BETWEEN_LOOKS_SECONDS)
    start = time.perf_counter()
    _memory().zero_()
    torch.cuda.synchronize()
    return time.perf_counter() - start


@cache
def _memory() -> torch.Tensor:
    return torch.empty(_BYTES, dtype=torch.uint8, device="cuda")
