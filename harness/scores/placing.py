"""Which attempts may share a row: same device, same GPU model, same size profile, same baselines."""

from __future__ import annotations

from typing import Literal, NamedTuple

from eval.records import BaselinesMode, Track
from harness.records import Facts


class Place(NamedTuple):
    """Where a time was taken; times from different places are never compared."""

    device: Literal["cuda", "cpu"] | None
    gpu: str | None
    """Device name of the GPU that judged; None on a CPU."""
    size: str | None
    """Size profile on a GPU; None is the official one, and always on a CPU."""
    baselines: BaselinesMode = "live"
    """What the run asked for: a speed-up over times of earlier in the session is not ranked with others,
    and neither are the failures beside it."""


def legality(facts: Facts, track: Track) -> bool | None:
    """Return whether the attempt counts as correct on a track; None is "not decided".

    Only a pass counts. Not decided are our own failures, candidates that the interpreter cannot
    run, passes of the static check alone, and passes whose track nobody decided.
    """
    if facts.status is None or facts.kind == "unsupported":
        return None
    if facts.status != "passed":
        return False
    if facts.judged_on is None or facts.open is None:
        return None
    if not facts.open:
        return False
    return facts.open if track == "open" else facts.stage_legal


def place_of(facts: Facts) -> Place:
    """Return where the attempt was judged, or was to be judged where it ended before that."""
    return Place(facts.device, facts.gpu, facts.size, facts.baselines)
