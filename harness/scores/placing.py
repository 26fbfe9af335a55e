"""Which attempts may share a row: same device, same GPU model, same size profile."""

from __future__ import annotations

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


def place_of(attempt: Attempt) -> Place:
    """Return where the attempt was judged, or was to be judged where it ended before that."""
    if attempt.device != "cuda":
        return Place(device=attempt.device, gpu=None, size=None)
    environment = attempt.verdict.environment if attempt.verdict else None
    seen = environment.gpu if environment else None
    return Place(device="cuda", gpu=seen or attempt.gpu_name, size=attempt.size)
