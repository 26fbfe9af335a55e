"""The formula: what a verdict is worth, and None for what no trainer may learn from."""

from __future__ import annotations

from math import log
from typing import Annotated, Literal

from pydantic import Field

from eval.records import (
    Failed,
    Incorrect,
    Passed,
    Ratio,
    Record,
    Rejected,
    RejectedReason,
    Timing,
    Track,
    Verdict,
)

REWARD_VERSION = "1"
"""Raised whenever the same verdict and settings could give another number."""

CHEATING: frozenset[RejectedReason] = frozenset(
    {"tampering", "library_compute", "impossible_time", "disputed_clock"}
)
"""Reasons that say that the candidate went for the judge or the library, not for the problem."""

Kind = Literal["passed", "illegal", "incorrect", "failed", "cheating", "masked"]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Level = Annotated[float, Field(allow_inf_nan=False)]


class RewardSettings(Record):
    """What each part is worth. The defaults give -1 for cheating and 0 to 1 for all else."""

    track: Track = "open"
    """Track on which a candidate has to be legal."""
    baseline: Literal["eager", "compile", "current"] = "eager"
    """What the speed-up is against."""
    bound: Literal["low", "median"] = "low"
    """End of the speed-up's 95 % interval that counts; the low one pays for no noise."""
    correct: Weight = 0.3
    """For being correct and legal, before any time is looked at."""
    speed: Weight = 0.5
    """For the speed-up, on a scale of logarithms: none at 1, all of it at `most_speedup`."""
    most_speedup: Annotated[float, Field(gt=1, allow_inf_nan=False)] = 4.0
    """Faster than this earns no more."""
    floor: Weight = 0.2
    """For the fraction of the floor that was reached, 1 at most."""
    illegal: Level = 0.0
    """Correct, and against the rules of the track; or refused for the form of its output."""
    incorrect: Level = 0.0
    failed: Level = 0.0
    """No candidate, does not compile, raises, runs out of time or memory."""
    cheating: Level = -1.0
    untimed: Literal["correct", "mask"] = "correct"
    """A correct candidate without a time, as on a CPU: worth `correct` alone, or masked."""


class Reward(Record):
    """A number with its parts, or None with why it is masked."""

    version: str = REWARD_VERSION
    value: float | None
    """None: our own failure, or nothing that was decided; a trainer leaves the sample out."""
    kind: Kind
    correct: float = 0.0
    speed: float = 0.0
    floor: float = 0.0
    why: str | None = None
    """Why it is masked."""


def reward(verdict: Verdict | None, settings: RewardSettings | None = None) -> Reward:
    """Return what a verdict is worth; None for the verdict is a failure of ours, and is masked."""
    chosen = settings or RewardSettings()
    if verdict is None:
        return _masked("there is no verdict: the judge failed or was not reached")
    if isinstance(verdict, Passed):
        return _passed(verdict, chosen)
    if isinstance(verdict, Failed) and verdict.phase == "unsupported":
        return _masked("the place that judged it cannot run it, which says nothing of it")
    kind = _kind(verdict)
    return Reward(value=getattr(chosen, kind), kind=kind)


def _kind(verdict: Incorrect | Failed | Rejected) -> Literal["incorrect", "failed", "cheating", "illegal"]:
    if isinstance(verdict, Rejected):
        return "cheating" if verdict.reason in CHEATING else "illegal"
    return verdict.status


def _passed(verdict: Passed, settings: RewardSettings) -> Reward:
    legal: bool | None = getattr(verdict.tracks, settings.track)
    if legal is None:
        return _masked(f"whether it is legal on the track {settings.track} was not decided")
    if not legal:
        return Reward(value=settings.illegal, kind="illegal")
    if verdict.timing is None:
        if settings.untimed == "mask":
            return _masked("it is correct and was not timed")
        return Reward(value=settings.correct, kind="passed", correct=settings.correct)
    speed = settings.speed * _speed(verdict.timing, settings)
    floor = settings.floor * min(verdict.timing.fraction_of_floor or 0.0, 1.0)
    if not verdict.timing.stable:
        speed = floor = 0.0
    whole = settings.correct + speed + floor
    return Reward(value=whole, kind="passed", correct=settings.correct, speed=speed, floor=floor)


def _speed(timing: Timing, settings: RewardSettings) -> float:
    """Return the speed-up between 0 (at most 1x) and 1 (`most_speedup` or more)."""
    ratio: Ratio | None = getattr(timing.speedup, settings.baseline)
    if ratio is None:
        return 0.0
    factor: float = getattr(ratio, settings.bound)
    return min(max(log(factor) / log(settings.most_speedup), 0.0), 1.0) if factor > 0 else 0.0


def _masked(why: str) -> Reward:
    return Reward(value=None, kind="masked", why=why)
