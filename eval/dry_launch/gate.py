"""The compile gate of a trial on the CPU: what ran in the interpreter must compile for a real GPU.

Only the candidate's own failures are held against it. One that cannot be launched dry passes, and its
verdict does not say that it was compiled.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from eval.dry_launch.launcher import DryLauncher, compiler_is_here
from eval.dry_launch.records import H100, DryFailure, DryReport
from eval.judge.faults import FaultRaised, failed, rejected
from eval.judge.processes import Zygote
from eval.judge.reference import CaseReference, size_case

if TYPE_CHECKING:
    from eval.records import Job, Limits

TARGET = "sm_90"
_COMPILE_SECONDS = 60.0
_KEPT = 256
_MOST_DETAIL_CHARS = 4000


class CompileGate:
    """Keeps a warm parent of dry runners, and what it found out about code that comes again."""

    def __init__(self) -> None:
        self._zygote: Zygote | None = None
        self._known: dict[tuple[str, str], DryReport] = {}

    @property
    def healthy(self) -> bool:
        """Tell whether no dry runner was left behind."""
        return self._zygote is None or self._zygote.healthy

    def warm(self) -> None:
        """Start what `compiled_for` needs, without waiting for it."""
        if self._zygote is None and compiler_is_here():
            self._zygote = Zygote(cuda=False, dry=True)

    def compiled_for(self, job: Job, cases: list[CaseReference], launched: frozenset[str]) -> str | None:
        """Return the target that all kernels compiled for, None where that cannot be told.

        `launched` are the kernels that ran in the interpreter on `cases`.

        Raises:
            FaultRaised: a kernel does not compile, or none is launched.

        """
        if not compiler_is_here():
            return None
        key = (sha256(job.code.encode()).hexdigest(), job.problem.hash)
        if key not in self._known:
            if len(self._known) >= _KEPT:
                self._known.clear()
            self._known[key] = self._launch(job, cases, launched)
        return _judged(self._known[key], launched)

    def _launch(self, job: Job, cases: list[CaseReference], launched: frozenset[str]) -> DryReport:
        self.warm()
        assert self._zygote is not None
        official = CaseReference(job.problem, size_case(job.problem, None))
        launcher = DryLauncher(self._zygote, H100)
        return launcher.launch(job.code, [official, *cases], _patient(job.limits), wanted=launched)

    def close(self) -> None:
        """End all dry runners."""
        if self._zygote is not None:
            self._zygote.close()


def _patient(limits: Limits) -> Limits:
    """Compiling all configurations is more than a call."""
    seconds = max(limits.call_seconds, min(limits.seconds, _COMPILE_SECONDS))
    return limits.model_copy(update={"call_seconds": seconds})


def _judged(report: DryReport, launched: frozenset[str]) -> str | None:
    if report.failures:
        fault = _fault(report.failures[0])
        if fault is not None:
            raise fault
        return None
    unseen = launched - {build.kernel for build in report.builds}
    if unseen:
        raise _gate(f"{', '.join(sorted(unseen))} ran in the interpreter and is not launched on a GPU")
    return TARGET


def _fault(failure: DryFailure) -> FaultRaised | None:
    if failure.kind == "compile":
        return _gate(f"{failure.kernel} {failure.config or ''}: {failure.message}")
    if failure.kind == "no_kernel":
        return rejected("library_compute", f"on a GPU {failure.message}", "compile_gate")
    if failure.kind in ("timeout", "memory"):
        return failed(failure.kind, f"compiling for {TARGET}: {failure.message}")
    if failure.kind == "crash":
        return _gate(failure.message)
    return None


def _gate(message: str) -> FaultRaised:
    return failed("compile", f"for {TARGET}: {message}"[:_MOST_DETAIL_CHARS])
