"""The order of one candidate's trial, from its text to its verdict."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from eval import rules
from eval.judge.calls import Caller
from eval.judge.correctness import Correctness
from eval.judge.faults import Fault, FaultRaised, JudgeError, failed
from eval.judge.proposals import references
from eval.judge.regions import HostRegion, Region, bytes_needed
from eval.judge.runner import Runner
from eval.judge.weights import transfer_bytes
from eval.records import (
    Case,
    Environment,
    Guarantees,
    Job,
    Passed,
    Tracks,
    VariantResult,
    Verdict,
)  # fmt: skip

if TYPE_CHECKING:
    from eval.dry_launch.gate import CompileGate
    from eval.judge.processes import Zygote
    from eval.judge.reference import CaseReference
    from eval.stage.sides import Counts

_OUTPUT_FACTOR = 3
_LAYOUT_FACTOR = 2
_HASTE, _HASTE_SECONDS = 0.1, 2.0


class Trial:
    """Judges one job on the CPU; `eval.judge.device_trial` adds what a GPU allows."""

    device = "cpu"

    def __init__(
        self, job: Job, zygote: Zygote, environment: Environment, gate: CompileGate | None = None
    ) -> None:
        self._gate = gate if job.audits else None
        self._job, self._zygote, self._environment = job, zygote, environment
        self._common: dict[str, Any] = {
            "device": self.device,
            "environment": environment,
            "problem_hash": job.problem.hash,
            "candidate_hash": hashlib.sha256(job.code.encode()).hexdigest(),
            "size": self._size_name(),
        }
        self.counts: dict[str, set[Counts]] = {}
        """What calls on the deciding cases did, by case, and those that were timed."""
        self.current_counts: dict[str, set[Counts]] = {}
        """What timed calls of the current code did."""
        self._kernels: tuple[str, ...] = ()
        """Names of the candidate's kernels, by its text."""
        self._start = time.monotonic()

    def _size_name(self) -> str | None:
        return None

    def judge(self) -> Verdict:
        """Return the verdict; only our own failures raise.

        Raises:
            JudgeError: the problem or the machine does not allow a verdict.

        """
        return self._verdict(self._check_text() or fault_of(self._run))

    def _check_text(self) -> Fault | None:
        report = rules.check_code(self._job.code, mode=self._job.rules)
        self._kernels = tuple(kernel.name for kernel in report.kernels)
        fault = rules.static_verdict(report)
        self._common["violations"] = report.violations if fault is None else fault.violations
        return fault

    def _references(self, cases: tuple[Case, ...]) -> list[CaseReference]:
        return references(self._job.problem, cases)

    def _run(self) -> None:
        cases, beyond = self._judgeable(self._references(self._job.problem.cases))
        if not cases:
            raise failed("unsupported", _wrong_here(beyond[0]))
        variants, beyond = self._judgeable(self._references(self._job.problem.variants))
        with contextlib.closing(self._host_region([*cases, *variants])) as region:
            if self._gate is not None:
                self._gate.warm()
            self._audit_apart(region, cases)
            region.clear()
            runner = self._start_runner(region)
            try:
                correctness = self._correctness(runner, region, cases, variants)
            finally:
                self._common["output"] = runner.output() or None
                runner.kill()
        self._add_unsupported(beyond)
        if self._gate is not None:
            target = self._gate.compiled_for(self._job, cases, correctness.launched, correctness.seen)
            self._add_guarantees(compiled_for=target)

    def _judgeable(self, cases: list[CaseReference]) -> tuple[list[CaseReference], list[CaseReference]]:
        """Part the cases whose numbers this device gets right from those that it does not."""
        right = self._job.problem.cpu_dtypes
        wrong = [case for case in cases if not case.float_dtypes() <= set(right)]
        return [case for case in cases if case not in wrong], wrong

    def _add_unsupported(self, cases: list[CaseReference]) -> None:
        extra = [
            VariantResult(case=case.case.name, status="unsupported", detail=_wrong_here(case))
            for case in cases
        ]
        order = list(dict.fromkeys(case.name for case in self._job.problem.variants))
        results = [*self._common["variants"], *extra]
        self._common["variants"] = tuple(sorted(results, key=lambda result: order.index(result.case)))

    def _host_region(self, cases: list[CaseReference]) -> Region:
        inputs = max(bytes_needed(case.inputs, HostRegion.align, _LAYOUT_FACTOR) for case in cases)
        outputs = 0
        for case in cases:
            signature = case.signature()
            parts = zip(signature.shapes, signature.dtypes, strict=True)
            outputs = max(outputs, sum(_product(shape) * dtype.itemsize + 64 for shape, dtype in parts))
        return HostRegion(inputs, outputs * _OUTPUT_FACTOR, transfer_bytes(cases, HostRegion.align))

    def _start_runner(self, region: Region, call_seconds: float | None = None) -> Runner:
        limits = self._job.limits
        if call_seconds is not None:
            limits = limits.model_copy(update={"call_seconds": call_seconds})
        return self._accepted(Runner(self._zygote, region, limits, cuda=self.device == "cuda"))

    def _accepted(self, runner: Runner) -> Runner:
        """Note which walls stand round a runner; where some must and do not, refuse it.

        Raises:
            JudgeError: the job asks for walls that this machine does not give.

        """
        self._common["guarantees"] = Guarantees(sandbox=runner.sandbox, missing=runner.sandbox_missing)
        if self._job.require_sandbox and runner.sandbox_missing:
            runner.kill()
            raise JudgeError(f"the sandbox is not complete here: no {', '.join(runner.sandbox_missing)}")
        return runner

    def _audit_apart(self, region: Region, cases: list[CaseReference]) -> None:
        """Audit a runner that is then thrown away: what it learned of audits ends with it.

        It has little time, so that a candidate that hangs is not waited for twice; who is slow here
        is audited among its other calls alone.
        """
        if not self._job.audits:
            return
        call_seconds = self._job.limits.call_seconds
        runner = self._start_runner(region, max(_HASTE * call_seconds, min(call_seconds, _HASTE_SECONDS)))
        try:
            runner.load(self._job.code, "ModelNew", tf32=self._job.problem.tf32)
            Correctness(Caller(self._job.problem, region), runner, guard=True).audit(cases)
        except FaultRaised as raised:
            if raised.phase != "timeout":
                raise
        finally:
            self._common["output"] = runner.output() or None
            runner.kill()

    def _add_guarantees(self, **held: Any) -> None:
        self._common["guarantees"] = self._common["guarantees"].model_copy(update=held)

    def _loaded(self) -> None:
        """Do what can be done as soon as the candidate is there."""

    def _correctness(
        self, runner: Runner, region: Region, cases: list[CaseReference], variants: list[CaseReference]
    ) -> Correctness:
        runner.load(self._job.code, "ModelNew", tf32=self._job.problem.tf32)
        self._loaded()
        correctness = Correctness(Caller(self._job.problem, region), runner, guard=self._job.audits)
        try:
            correctness.decide(cases)
            self.counts |= correctness.counts
        finally:
            parities = {weights.parity for weights in runner.weights.values()} - {None}
            if parities:
                self._add_guarantees(weights="seed" if "seed" in parities else "state_dict")
        results = correctness.variants(variants)
        self._common["variants"] = results
        self._common["robust"] = robustness(results)
        return correctness

    def _verdict(self, fault: Fault | None) -> Verdict:
        common = {**self._common, "seconds": round(time.monotonic() - self._start, 3)}
        stage_errors = any(v.track == "stage" and v.severity == "error" for v in common["violations"])
        if fault is None:
            stage = False if stage_errors else None
            return Passed(**common, tracks=Tracks(open=True, stage=stage))
        return fault.model_copy(update={**common, "tracks": Tracks(open=False, stage=False)})


def fault_of(step: Callable[[], None]) -> Fault | None:
    """Take a step of a trial, and return what is wrong with the candidate by that."""
    try:
        step()
    except FaultRaised as raised:
        return raised.fault
    return None


def _wrong_here(case: CaseReference) -> str:
    names = ", ".join(sorted(case.float_dtypes()))
    return f"case {case.case.name}: Triton's interpreter does not get {names} right; judge it on a GPU"


def robustness(results: Sequence[VariantResult]) -> bool | None:
    """Tell whether all variants that could be tried passed; None where none could."""
    tried = [result for result in results if result.status != "unsupported"]
    return all(result.status == "passed" for result in tried) if tried else None


def _product(shape: tuple[int, ...]) -> int:
    total = 1
    for size in shape:
        total *= size
    return total
