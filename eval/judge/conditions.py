"""Was the GPU fit to be timed? What its driver said before and after a session, put into words.

NVML's names for why clocks are low: idle, application clocks and display clocks are settings and slow
nothing unexpectedly. The software power cap does hold clocks "below requested clocks", but every kernel
that draws as much meets it in its daily work too: it is said, and counts only by the drift that it makes.
Heat, a power brake and a group of cards that boost together have nothing to do with the kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

POWER_CAP = 0x4
HARDWARE = 0x8
"""NVML: "may be also reported during PState or clock change", so that one sight of it means nothing."""
_REASONS = {
    0x10: "sync boost", 0x20: "thermal slowdown", 0x40: "thermal slowdown by hardware", 0x80: "power brake",
}  # fmt: skip
POLICIES = {"power": 0, "thermal": 1, "sync boost": 2, "board limit": 3}
"""NVML's performance policies; for each it counts how long the clocks were held below application clocks."""
_DISTURBING = ("thermal", "sync boost")
_SHARE = 0.01
_HELD = "held_ns"

Clocks = Mapping[str, Any]


def calm(said: Clocks) -> bool:
    """Tell whether what the driver said then gives no reason for doubt."""
    return bool(said) and not _throttling(said, said)


def disturbances(before: Clocks, after: Clocks) -> list[str]:
    """Say what makes the times of a session doubtful; nothing where they stand."""
    found = [f"the GPU throttled: {name}" for name in _throttling(before, after)]
    for name, share in _held(before, after).items():
        if name in _DISTURBING:
            found.append(f"the GPU throttled: {name} for {100 * share:.0f} % of the time")
    return found + (["another process used the GPU"] if after.get("busy") is True else [])


def remarks(before: Clocks, after: Clocks) -> list[str]:
    """Say what a reader of the times should know beside that."""
    if not before or not after:
        return ["NVML is not there: clocks, throttling and other processes were not read"]
    found = []
    held = {name: share for name, share in _held(before, after).items() if name not in _DISTURBING}
    if held:
        shares = ", ".join(f"{name} {100 * share:.0f} % of the time" for name, share in held.items())
        found.append(f"the power limit held the clocks down ({shares})")
    elif any((clocks.get("throttle_reasons") or 0) & POWER_CAP for clocks in (before, after)):
        found.append("the power limit held the clocks down")
    if after.get("busy") is None:
        found.append("whether another process used the GPU is not known")
    return found


def _throttling(before: Clocks, after: Clocks) -> list[str]:
    bits = [int(clocks.get("throttle_reasons") or 0) for clocks in (before, after)]
    found = [name for bit, name in _REASONS.items() if any(seen & bit for seen in bits)]
    if "began_us" in before:  # nobody asked just before the session, so it was asked twice at its end
        bits = bits[1:]
    return found or (["hardware slowdown"] if all(seen & HARDWARE for seen in bits) else [])


def _held(before: Clocks, after: Clocks) -> dict[str, float]:
    """Return by policy for what part of the session it held the clocks down, where that is more than 1 %.

    What it did between `before` and the beginning of the session counts, too.
    """
    first, last = before.get(_HELD) or {}, after.get(_HELD) or {}
    span_us = after.get("at_us", 0) - before.get("began_us", before.get("at_us", 0))
    if span_us <= 0:
        return {}
    shares = {name: (last[name] - first[name]) / (1e3 * span_us) for name in first if name in last}
    return {name: min(share, 1.0) for name, share in shares.items() if share > _SHARE}


def busy(
    running: Collection[int] | None,
    worked: Callable[[], Collection[int] | None],
    own: int,
    family: Collection[int] | None,
) -> bool | None:
    """Tell whether a process that is none of ours used the GPU; None where that cannot be known.

    `running` have a context on it and `worked` tells who did something since, which is asked only where there
    is a stranger: the driver takes its time for that. `own` is this process, which has a context too: where
    NVML does not list it, it hides processes or numbers them for another namespace. `family` are `own` and
    those of `running` below it; None where this system does not tell who is whose child.
    """
    if running is None or own not in running or family is None:
        return None
    others = set(running) - set(family)
    if not others:
        return False
    found = worked()
    return None if found is None else bool(others & set(found))
