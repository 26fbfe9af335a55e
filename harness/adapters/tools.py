"""What an agent may do, as plain functions of names and texts: no path, no URL, no store of its choice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from eval.client import cuda_device_name
from eval.dry_launch.client import DryLaunchFailedError, dry_launch
from eval.dry_launch.records import DryFailure, DryRequest, KernelBuild
from eval.records import Failed, Job, Limits, Passed, Record, Track, Verdict
from eval.rules import check_code, static_verdict
from eval.stage.check import check_stage
from harness.adapters.asking import held, taken_out
from harness.adapters.judges import Judges
from harness.adapters.library import Library
from harness.adapters.told import (
    MOST_BUILDS,
    MOST_ROWS,
    Board,
    BoardRow,
    Build,
    Checked,
    Compiled,
    Judged,
    checked,
    judged,
)
from harness.errors import EnvironmentFailure, UsageError
from harness.judge_server.records import Question
from harness.machine import profiler
from harness.metrics import kernel_names
from harness.profile import measured, prompt_metrics
from harness.prompts import render_prompt
from harness.prompts.gpu_limits import gpu_limits
from harness.records import Candidate
from harness.scores import score_table
from harness.store import Store

_COMPILE = Limits(seconds=180.0, call_seconds=180.0)
_PROFILE_SECONDS = 300.0


class Bounds(Record):
    """What whoever starts the tools allows."""

    store: Path | None = None
    """The store whose leaderboard is shown; None shows none."""
    profile: bool = False
    """Profiling runs a candidate without the sandbox's walls, since ``ncu`` needs sockets and files."""
    timeout_s: float = 600.0
    """How long one `evaluate` may wait and judge."""


class Tools:
    """The six tools; each raises `UsageError` or `EnvironmentFailure` with what to do about it."""

    def __init__(self, library: Library, judges: Judges, bounds: Bounds) -> None:
        self._library, self._judges, self._bounds = library, judges, bounds

    def prompt(self, problem: str, stage: str, gpu: str) -> str:
        """Return the prompt: the problem, the GPU, the stage's rules, the current code, its metrics."""
        library = self._library
        return render_prompt(
            problem=library.problem(problem), stage=library.stage(stage), gpu=library.gpu(gpu)
        ).text

    def check(self, question: Question) -> Checked:
        """Return what the static rules say; nothing is run."""
        held_to = held(question, self._library)
        found = taken_out(question)
        if isinstance(found, Failed):
            return checked(found)
        report = check_code(found.code, mode=question.rules)
        verdict: Verdict | None = static_verdict(report)
        if verdict is None:
            stage = check_stage(found.code, held_to.code, held_to.rules) if held_to.rules else None
            tracks = {"open": True, "stage": stage.legal if stage else None}
            more = stage.violations if stage else ()
            verdict = Passed.model_validate({"violations": (*report.violations, *more), "tracks": tracks})
        return checked(verdict)

    def compile(self, question: Question, gpu: str) -> Compiled:
        """Return what the candidate would launch on a GPU that need not be here."""
        missing = [name for name in ("torch", "triton", "numpy") if find_spec(name) is None]
        if missing:
            raise EnvironmentFailure(
                f"compiling needs {', '.join(missing)}: pip install 'kernel-harness[eval]'"
            )
        target = gpu_limits(self._library.gpu(gpu))
        problem = self._library.problem(question.problem).problem
        found = taken_out(question)
        if isinstance(found, Failed):
            return Compiled(builds=(), failures=(found.detail or "there is no code",))
        request = DryRequest(problem=problem, code=found.code, gpu=target, limits=_COMPILE)
        try:
            (report,) = dry_launch([request])
        except DryLaunchFailedError as error:
            raise EnvironmentFailure(str(error)) from error
        return Compiled(
            builds=tuple(map(_build, report.builds[:MOST_BUILDS])),
            more_builds=max(len(report.builds) - MOST_BUILDS, 0),
            failures=tuple(map(_failure, report.failures)),
        )

    def evaluate(self, question: Question) -> Judged:
        """Return the verdict; the judge's own failure is an `EnvironmentFailure`."""
        (outcome,) = self._judges.ask([question], self._bounds.timeout_s)
        if outcome.verdict is None:
            raise EnvironmentFailure(f"not judged, and not the candidate's doing: {outcome.error}; try again")
        return judged(question, outcome.verdict)

    def profile(self, question: Question, stage: str) -> str:
        """Return Nsight Compute's metrics of the candidate, as a prompt shows them."""
        if not self._bounds.profile:
            raise EnvironmentFailure(
                "profiling is switched off: it runs a candidate without the sandbox. Whoever runs this server"
                " can allow it with --allow-profile; `compile` tells registers and occupancy without it"
            )
        wanted, folder = self._library.stage(stage), self._library.problem(question.problem)
        if not wanted.metrics:
            raise UsageError(f"stage {wanted.name} shows no metrics; name one that does")
        code = _allowed(question).code
        if cuda_device_name() is None:
            raise EnvironmentFailure("profiling needs an NVIDIA GPU, and none is here")
        job = Job(problem=folder.problem, code=code, size=question.size)
        found = measured(job, wanted.metrics, profiler(), timeout_s=_PROFILE_SECONDS)
        return json.dumps(prompt_metrics(found.kernels, wanted.metrics, kernel_names(code)), indent=2)

    def leaderboard(self, problem: str | None, track: Track | None) -> Board:
        """Return the best rows of the store that whoever runs this chose."""
        if self._bounds.store is None:
            raise EnvironmentFailure("this server shows no leaderboard; it is started with --store FILE")
        with Store(self._bounds.store, read_only=True) as opened:
            facts = [one for one in opened.facts() if problem in {None, one.problem}]
        rows = [row for row in score_table(facts) if track in {None, row.track} and not row.stale]
        return Board(
            rows=tuple(
                BoardRow(
                    model=row.model[:100], problem=row.problem, track=row.track, gpu=row.place.gpu,
                    baselines=row.place.baselines, quarantined=row.quarantined,
                    attempts=row.attempts, correct_rate=row.correct.value,
                    best_speedup_eager=row.speedup["eager"].best,
                )
                for row in rows[:MOST_ROWS]
            ),
            more_rows=max(len(rows) - MOST_ROWS, 0),
        )  # fmt: skip


def _allowed(question: Question) -> Candidate:
    """Return a candidate that the strict rules let run."""
    found = taken_out(question)
    if isinstance(found, Failed):
        raise UsageError(found.detail or "there is no code")
    refused = static_verdict(check_code(found.code, mode="strict"))
    if refused is not None:
        raise UsageError(f"is not run: {refused.detail}")
    return found


def _build(build: KernelBuild) -> Build:
    config = ", ".join(f"{name}={value}" for name, value in build.config.items())
    return Build(
        kernel=build.kernel[:100], config=config[:300], num_warps=build.num_warps,
        num_stages=build.num_stages, grid=build.grid, registers=build.registers,
        spill_bytes=build.spill_bytes, shared_bytes=build.shared_bytes, occupancy=build.occupancy,
        limiter=build.limiter,
    )  # fmt: skip


def _failure(failure: DryFailure) -> str:
    def parts() -> Iterator[str]:
        yield failure.kind
        if failure.kernel is not None:
            yield failure.kernel
        if failure.line is not None:
            yield f"line {failure.line}"

    return f"{', '.join(parts())}: {failure.message[:1000]}"
