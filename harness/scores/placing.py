"""Which attempts may share a row: same device, same GPU model, same size profile.

An attempt that ended before it reached a device (no code, a broken rule, our own failure) has no
place of its own. It counts in the places that its run used for the same problem; if the run used
none, in those that the same model used for the problem; if there are none either, in a row
without a device.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Literal

from eval.records import Record, Track
from harness.records import Attempt


class Place(Record):
    """Where a time was taken; times from different places are never compared."""

    device: Literal["cuda", "cpu"] | None
    gpu: str | None
    """Device name of the GPU that judged; None on a CPU."""
    size: str | None
    """Size profile on a GPU; None is the official one, and always on a CPU."""


def legality(attempt: Attempt, track: Track) -> bool | None:
    """Return whether the attempt counts as correct on a track; None is "not decided".

    Only a pass counts. Not decided are our own failures, candidates that the interpreter cannot
    run, passes of the static check alone, and passes whose track nobody decided.
    """
    verdict = attempt.verdict
    if verdict is None or (verdict.status == "failed" and verdict.phase == "unsupported"):
        return None
    if verdict.status != "passed":
        return False
    if verdict.device is None or verdict.tracks.open is None:
        return None
    if not verdict.tracks.open:
        return False
    return verdict.tracks.open if track == "open" else verdict.tracks.stage


def own_place(attempt: Attempt) -> Place:
    """Return what the verdict itself says, complete or not."""
    verdict = attempt.verdict
    if verdict is None or verdict.device is None:
        return Place(device=None, gpu=None, size=None)
    if verdict.device == "cpu":
        return Place(device="cpu", gpu=None, size=None)
    gpu = verdict.environment.gpu if verdict.environment else None
    return Place(device="cuda", gpu=gpu, size=verdict.size)


def _is_complete(attempt: Attempt, place: Place) -> bool:
    """Tell whether the candidate ran there, so that the place is a fact."""
    if place.device == "cpu":
        return True
    ran = attempt.verdict is not None and attempt.verdict.status in {"passed", "incorrect"}
    return place.gpu is not None and (ran or place.size is not None)


def _fits(partial: Place, place: Place) -> bool:
    return partial.device in {None, place.device} and partial.gpu in {None, place.gpu}


def place_all(attempts: Sequence[Attempt]) -> list[tuple[Attempt, Place]]:
    """Pair each attempt with every place it counts in."""
    known: dict[tuple[str, ...], dict[Place, None]] = defaultdict(dict)
    own = [(attempt, own_place(attempt)) for attempt in attempts]
    for attempt, place in own:
        if _is_complete(attempt, place):
            known["run", attempt.run, attempt.problem][place] = None
            known["model", attempt.reply.model, attempt.problem][place] = None
    placed: list[tuple[Attempt, Place]] = []
    for attempt, place in own:
        if _is_complete(attempt, place):
            placed.append((attempt, place))
            continue
        run = known["run", attempt.run, attempt.problem]
        model = known["model", attempt.reply.model, attempt.problem]
        shared = [p for p in run if _fits(place, p)] or [p for p in model if _fits(place, p)]
        placed.extend((attempt, candidate) for candidate in shared or [place])
    return placed
