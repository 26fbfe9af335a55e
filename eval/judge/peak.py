"""What arithmetic a GPU can do at most: multiply-adds of its matrix units, by architecture and dtype.

For looking at nothing and ranking nothing: only a time that no honest kernel could have is refused by it.
"""

from __future__ import annotations

from collections.abc import Iterable

_HALF_FLOPS_A_CLOCK = {
    (7, 0): 1024, (7, 2): 1024, (7, 5): 1024, (8, 0): 2048, (8, 6): 1024, (8, 7): 1024, (8, 9): 1024,
    (9, 0): 4096, (10, 0): 8192, (10, 3): 8192, (12, 0): 1024, (12, 1): 1024,
}  # fmt: skip
"""Dense, of one SM, for float16 with its fastest accumulator; NVIDIA's architecture white papers: peak FLOPS
over SMs and boost clock (H100 SXM: 989.4e12 / (132 x 1.83e9) = 4096)."""
_HALVES = frozenset({"float16", "bfloat16"})
_SINGLE_SHARE = 0.5
"""TF32 does half of what float16 does; float32 is bounded by it, since nothing faster can be right."""


def flops_a_second(
    capability: tuple[int, int], sms: int, clock_hz: float, dtypes: Iterable[str]
) -> float | None:
    """Return the most operations a second on inputs of these dtypes; None where that is not known.

    `clock_hz` is the highest clock of the SMs.
    """
    names = set(dtypes)
    rate = _HALF_FLOPS_A_CLOCK.get(capability)
    if rate is None or not clock_hz or not names <= _HALVES | {"float32"} or not names:
        return None
    share = 1.0 if names & _HALVES else _SINGLE_SHARE
    return rate * share * sms * clock_hz


_LANES = {
    (7, 0): 64, (7, 2): 64, (7, 5): 64, (8, 0): 64, (8, 6): 128, (8, 7): 128, (8, 9): 128,
    (9, 0): 128, (10, 0): 128, (10, 3): 128, (12, 0): 128, (12, 1): 128,
}  # fmt: skip
"""Multiply-adds of float32 that the cores of one SM do in a clock; CUDA C++ Programming Guide, table
"Throughput of Native Arithmetic Instructions"."""


def core_flops_a_second(capability: tuple[int, int], sms: int, clock_hz: float) -> float | None:
    """Return the most operations a second on float32 without matrix units; None where that is not known."""
    lanes = _LANES.get(capability)
    return 2.0 * lanes * sms * clock_hz if lanes is not None and clock_hz else None
