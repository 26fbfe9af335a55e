"""The compile gate of a trial on the CPU: what ran in the interpreter must compile for a real GPU.

It is launched dry twice: as on a GPU, where its tensors claim to lie on one, and as in the interpreter,
so that no branch is kept for either. Launches that were seen in the interpreter are compiled as they were,
whatever the candidate launches here. One that cannot be launched dry as on a GPU passes by the second
launch alone; where that tells nothing either, it cannot be judged here.
"""

from __future__ import annotations

import secrets
from hashlib import sha256
from math import prod
from typing import TYPE_CHECKING, NamedTuple

from eval.dry_launch.launcher import DryLauncher, compiler_is_here
from eval.dry_launch.records import H100, DryFailure, DryReport
from eval.judge.faults import FaultRaised, failed, rejected
from eval.judge.processes import Zygote
from eval.judge.reference import CaseReference, size_case

if TYPE_CHECKING:
    from eval.judge.answers import Seen
    from eval.records import Job, Limits

TARGET = "sm_90"
_COMPILE_SECONDS = 60.0
_KEPT = 256
_MOST_DETAIL_CHARS = 4000


class _Reports(NamedTuple):
    as_on_gpu: DryReport
    as_interpreted: DryReport


class CompileGate:
    """Keeps a warm parent of dry runners, and what it found out about code that comes again."""

    def __init__(self) -> None:
        self._zygote: Zygote | None = None
        self._known: dict[tuple[str, ...], _Reports] = {}

    @property
    def healthy(self) -> bool:
        """Tell whether no dry runner was left behind."""
        return self._zygote is None or self._zygote.healthy

    def warm(self) -> None:
        """Start what `compiled_for` needs, without waiting for it."""
        if self._zygote is None and compiler_is_here():
            self._zygote = Zygote(cuda=False, dry=True)

    def compiled_for(
        self,
        job: Job,
        cases: list[CaseReference],
        launched: frozenset[str],
        seen: Seen | None = None,
    ) -> str | None:
        """Return the target that all kernels compiled for, None where there is no compiler.

        `launched` are the kernels that ran in the interpreter on `cases`, `seen` what they were given there.

        Raises:
            FaultRaised: a kernel does not compile, none is launched, or that cannot be told.

        """
        if not compiler_is_here():
            return None
        known = sorted(launch.model_dump_json() for launch in seen.launches) if seen is not None else ()
        key = (sha256(job.code.encode()).hexdigest(), job.problem.hash, *known)
        if key not in self._known:
            if len(self._known) >= _KEPT:
                self._known.clear()
            self._known[key] = self._launch(job, cases, launched, seen)
        return _judged(self._known[key], launched)

    def _launch(
        self, job: Job, cases: list[CaseReference], launched: frozenset[str], seen: Seen | None
    ) -> _Reports:
        self.warm()
        assert self._zygote is not None
        official = CaseReference(job.problem, size_case(job.problem, None))
        launcher, limits = DryLauncher(self._zygote, H100), _patient(job.limits)
        first = launcher.launch(job.code, [official, *cases], limits, wanted=launched)
        if any(_fault(failure) is not None for failure in first.failures):
            return _Reports(first, DryReport())
        return _Reports(first, launcher.launch_as_interpreted(job.code, _one_of(cases), limits, seen))

    def close(self) -> None:
        """End all dry runners."""
        if self._zygote is not None:
            self._zygote.close()


def _patient(limits: Limits) -> Limits:
    """Compiling all configurations is more than a call."""
    seconds = max(limits.call_seconds, min(limits.seconds, _COMPILE_SECONDS))
    return limits.model_copy(update={"call_seconds": seconds})


def _one_of(cases: list[CaseReference]) -> CaseReference:
    """Choose among the larger half, so that nothing can be kept for the others."""
    by_size = sorted(cases, key=lambda case: sum(prod(spec.shape or ()) for spec in case.inputs))
    return secrets.choice(by_size[len(by_size) // 2 :])


def _judged(reports: _Reports, launched: frozenset[str]) -> str:
    first, second = reports
    for failure in first.failures:
        fault = _fault(failure)
        if fault is not None:
            raise fault
    if not first.failures and _unseen(first, launched):
        raise _gate(f"{_unseen(first, launched)} ran in the interpreter and is not launched on a GPU")
    uncompiled = next((one for one in second.failures if one.kind == "compile"), None)
    if uncompiled is not None:
        raise _gate(f"as the interpreter ran it, {uncompiled.kernel} {uncompiled.message}")
    if first.failures and (second.failures or _unseen(second, launched)):
        message = first.failures[0].message
        raise failed("unsupported", f"what it launches on a GPU cannot be told without one: {message}")
    return TARGET


def _unseen(report: DryReport, launched: frozenset[str]) -> str:
    return ", ".join(sorted(launched - {build.kernel for build in report.builds}))


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
