"""What `optimize` runs went through: a line for each stage, kept or not, as the run wrote it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from eval.records import Record
from harness.errors import EnvironmentFailure
from harness.records import Facts
from harness.scores import place_name, place_of, times
from harness.store import RunInfo


class _Step(BaseModel):
    """What the page shows of a stage; a run writes more."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    stage: str
    kept: bool
    attempt: str | None = None
    before_ms: float | None = None
    ms: float | None = None
    speedup_current: float | None = None
    attempts: int = 0
    repairs: int = 0
    note: str | None = None


class StageLine(Record):
    """One stage of one run."""

    stage: str
    kept: bool | None
    """None for a stage that was not tried, or not yet."""
    time: str = ""
    eager: str = ""
    """Speed-up against eager of the attempt that the stage is told by."""
    before: str = ""
    """Speed-up against the code that the stage began with."""
    attempts: int = 0
    repairs: int = 0
    attempt: str | None = None
    note: str = ""


class Journey(Record):
    """One run of `optimize`."""

    run: str
    state: str
    title: str
    timed: bool
    lines: tuple[StageLine, ...]


def journeys(runs: Iterable[RunInfo], facts: Sequence[Facts]) -> tuple[Journey, ...]:
    """Return the runs that carried a problem through stages, the newest first.

    A run that a later one took up, and walked at least as far, is not told of. An attempt that was
    struck, or is not among `facts`, is told of and has no link. Raises `EnvironmentFailure` where a
    run's record is not what `optimize` writes.
    """
    known = {one.id: one for one in facts if not one.void}
    walked = sorted((run for run in runs if "steps" in run.config), key=lambda run: run.id, reverse=True)
    newest = [run for at, run in enumerate(walked) if not any(_goes_on(run, one) for one in walked[:at])]
    return tuple(_journey(run, known) for run in newest)


def _goes_on(before: RunInfo, after: RunInfo) -> bool:
    """Tell whether `after` walked the same way as `before`, and no less far."""
    one, other = before.config, after.config
    same = all(one.get(name) == other.get(name) for name in ("problem", "model", "stages"))
    return same and other["steps"][: len(one["steps"])] == one["steps"]


def _journey(run: RunInfo, known: Mapping[str, Facts]) -> Journey:
    steps = [_read(step, run.id) for step in run.config["steps"]]
    planned = [str(name) for name in run.config.get("stages", ())]
    lines = [_line(step, known) for step in steps]
    lines += [StageLine(stage=name, kept=None) for name in planned[len(steps) :]]
    judged = [known[step.attempt] for step in steps if step.attempt is not None and step.attempt in known]
    where = dict.fromkeys(place_name(place_of(one)) for one in judged)
    parts = (run.config.get("problem"), run.config.get("model"), *where)
    return Journey(
        run=run.id,
        state=run.state,
        title=" · ".join(str(part) for part in parts if part),
        timed=any(line.time for line in lines),
        lines=tuple(lines),
    )


def _read(step: Any, run: str) -> _Step:
    try:
        return _Step.model_validate(step)
    except ValidationError as error:
        raise EnvironmentFailure(
            f"run {run} holds a stage that this version cannot read ({error.error_count()} fields differ)"
        ) from error


def _line(step: _Step, known: Mapping[str, Facts]) -> StageLine:
    one = known.get(step.attempt or "")
    return StageLine(
        stage=step.stage,
        kept=step.kept,
        time="" if step.ms is None else f"{step.ms:.4g} ms",
        eager=times(one.eager) if one is not None and one.eager is not None else "",
        before="" if step.speedup_current is None else times(step.speedup_current),
        attempts=step.attempts,
        repairs=step.repairs,
        attempt=one.id if one is not None else None,
        note=step.note or "",
    )
