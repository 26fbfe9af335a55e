"""The stage track of a verdict: by the texts where they decide it, by running both where they do not."""

from __future__ import annotations

from contextlib import closing, contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING, Literal

from eval.dry_launch.launcher import DryLauncher
from eval.dry_launch.records import H100, KernelBuild
from eval.judge.calls import Caller
from eval.judge.correctness import Correctness
from eval.judge.faults import FaultRaised
from eval.judge.library import operator_families
from eval.judge.processes import Zygote
from eval.judge.proposals import references
from eval.judge.reference import CaseReference, size_case
from eval.judge.regions import DeviceRegion, HostRegion, Region, bytes_needed
from eval.judge.runner import Runner
from eval.judge.weights import transfer_bytes
from eval.records import Passed, Tracks, Verdict
from eval.stage.account import Seen, unaccounted, without
from eval.stage.check import SCOPE, StageReport, check_stage
from eval.stage.configs import DEFAULTS, Settings
from eval.stage.sides import Counts, Launched, Ran

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from eval.records import Job

_ROOM = 3
_DEVICE_ROOM = 1 << 29
"""For what a runner on a GPU keeps beside its outputs."""
_KEPT = 64
_How = Literal["dry", "suppressed", "called", "on all cases"]
_ON_A_GPU: tuple[_How, ...] = ("called",)
_INTERPRETED: tuple[_How, ...] = ("suppressed", "called")
_OF_THE_INTERPRETER = ("copy",)
"""Families of operators by which it hands tensors to kernels, and takes them back."""


class StageJudge:
    """Adds what a stage's rules say; keeps what running has shown of code that comes again."""

    def __init__(self, zygote: Zygote, *, cuda: bool, alone: Callable[[], bool]) -> None:
        """`zygote` is the parent of the judge's runners, on the GPU or in the interpreter.

        `alone` ends what another candidate does meanwhile.
        """
        self._zygote, self._cuda, self._alone = zygote, cuda, alone
        self._dry: Zygote | None = None
        self._known: dict[tuple[str, str, _How], Ran] = {}

    @property
    def healthy(self) -> bool:
        """Tell whether no runner was left behind."""
        return self._zygote.healthy and (self._dry is None or self._dry.healthy)

    def close(self) -> None:
        """End what was started here."""
        if self._dry is not None:
            self._dry.close()

    def decided(
        self, job: Job, verdict: Verdict, seen: Seen | None = None, current_seen: Seen | None = None
    ) -> Verdict:  # fmt: skip
        """Return the verdict with the violations of the stage, and `tracks.stage` where it passed.

        What broke a rule of every track, or is no code, is left as it is. `seen` is what calls of the
        candidate did, and `current_seen` what timed ones of the current code did: a text that does not
        account for that is not believed.
        """
        refused = any(found.severity == "error" for found in verdict.violations)
        if job.stage_rules is None or job.rules == "off" or refused:
            return verdict
        report = check_stage(job.code, job.current_code, job.stage_rules)
        if isinstance(verdict, Passed) and report.legal is not False:
            mine, theirs = (self._by_case(one or {}) for one in (seen, current_seen))
            apart = unaccounted(job.code, mine)
            if apart:
                report = check_stage(job.code, job.current_code, job.stage_rules, by_text=False)
            if report.legal is None:
                self._alone()
                report = self._by_running(job, report, mine, theirs, apart)
        legal = report.legal if isinstance(verdict, Passed) else False
        return verdict.model_copy(
            update={
                "violations": (*verdict.violations, *report.violations),
                "tracks": Tracks(open=verdict.tracks.open, stage=legal),
            }
        )

    def _by_case(self, seen: Seen) -> dict[str, tuple[Counts, ...]]:
        return {case: tuple(map(self._own, counts)) for case, counts in seen.items()}

    def _own(self, counts: Counts) -> Counts:
        """Return what a call did of its own, without what Triton's interpreter did for it."""
        return without(counts, () if self._cuda else _OF_THE_INTERPRETER)

    def _by_running(
        self, job: Job, report: StageReport, seen: Seen, current_seen: Seen, apart: Collection[str]
    ) -> StageReport:  # fmt: skip
        """Run both codes; on cases that are `apart` the text does not account for what calls did."""
        assert job.stage_rules is not None
        scope, rest = SCOPE in report.undecided, set(report.undecided) - {SCOPE}
        current = job.current_code
        codes = [job.code] if current is None else [job.code, current]
        rans = self._called_alike(job, codes) if scope else [Ran()] * len(codes)
        if rest:
            rans = [
                ran.model_copy(update={"launched": self._remembered(job, code, "dry").launched})
                for ran, code in zip(rans, codes, strict=True)
            ]
        before = None
        if current is not None:
            before = self._with_cases(job, current, rans[1], current_seen) if scope and seen else rans[1]
            mine = {case: seen[case] for case in seen if case in before.cases or case in apart}
            rans[0] = rans[0].model_copy(update={"cases": mine if scope else {}})
        return check_stage(
            job.code, current, job.stage_rules, ran=rans[0], current_ran=before, by_text=not apart
        )

    def _with_cases(self, job: Job, current: str, ran: Ran, seen: Seen) -> Ran:
        known = self._remembered(job, current, "on all cases")
        return ran.model_copy(update={"cases": {**known.cases, **seen}, "first": known.first})

    def _called_alike(self, job: Job, codes: list[str]) -> list[Ran]:
        """Call each; in the interpreter, which copies what kernels are given, without any launch at first.

        Code that cannot do without what its kernels return is then called with them, and so is the other.
        """
        for how in _ON_A_GPU if self._cuda else _INTERPRETED:
            rans = [self._remembered(job, code, how) for code in codes]
            if all(ran.operators is not None for ran in rans):
                return rans
        return [Ran()] * len(codes)

    def _remembered(self, job: Job, code: str, how: _How) -> Ran:
        key = (sha256(code.encode()).hexdigest(), job.problem.hash, how)
        if key not in self._known:
            if len(self._known) >= _KEPT:
                self._known.clear()
            looks = {"dry": self._launched, "on all cases": self._on_all_cases}
            self._known[key] = looks[how](job, code) if how in looks else self._called(job, code, how)
        return self._known[key]

    def _cases(self, job: Job) -> list[CaseReference]:
        return [
            case
            for case in references(job.problem, job.problem.cases)
            if self._cuda or case.float_dtypes() <= set(job.problem.cpu_dtypes)
        ]

    def _called(self, job: Job, code: str, how: _How) -> Ran:
        """Call `forward` once on this device, and count its launches and operators."""
        cases = self._cases(job)
        if not cases:
            return Ran()
        case = max(cases, key=lambda one: bytes_needed(one.inputs, HostRegion.align, 1))
        try:
            with self._loaded(job, code, [case]) as (runner, caller):
                key = Correctness(caller, runner, guard=True).prepare_instance(case)
                message = caller.prepare(case, caller.usual).message
                facts = runner.call(key, message, forced=0, suppress=how == "suppressed", guard=True).facts
        except FaultRaised:
            return Ran()
        return Ran(operators=operator_families(facts.operators or {}), launches=facts.launched)

    def _on_all_cases(self, job: Job, code: str) -> Ran:
        """Call it twice on each deciding case, as candidates are, and count the same by case."""
        cases = self._cases(job)
        try:
            with self._loaded(job, code, cases) as (runner, caller):
                correctness = Correctness(caller, runner, guard=True)
                correctness.variants([*cases, *cases])
        except FaultRaised:
            return Ran()
        return Ran(cases=self._by_case(correctness.counts), first=self._own(correctness.first))

    @contextmanager
    def _loaded(self, job: Job, code: str, cases: list[CaseReference]) -> Iterator[tuple[Runner, Caller]]:
        """Start a runner with room for these cases, and load code into it.

        Raises:
            FaultRaised: it does not load.

        """
        with closing(self._region(cases)) as region:
            region.poison([])
            runner = Runner(self._zygote, region, job.limits, cuda=self._cuda)
            try:
                runner.load(code, "ModelNew", tf32=job.problem.tf32)
                yield runner, Caller(job.problem, region)
            finally:
                runner.kill()

    def _region(self, cases: list[CaseReference]) -> Region:
        kind = DeviceRegion if self._cuda else HostRegion
        inputs = max((bytes_needed(case.inputs, kind.align, 2) for case in cases), default=0)
        outputs = _ROOM * max(map(_output_bytes, cases), default=0) + (_DEVICE_ROOM if self._cuda else 0)
        return kind(inputs, outputs, transfer_bytes=transfer_bytes(cases, kind.align))

    def _launched(self, job: Job, code: str) -> Ran:
        """Launch dry on the official case, for configs and grids as they are on a GPU."""
        if self._dry is None:
            self._dry = Zygote(cuda=False, dry=True)
        official = CaseReference(job.problem, size_case(job.problem, None))
        report = DryLauncher(self._dry, H100).launch(code, [official], job.limits)
        return Ran(launched=tuple(map(_as_launched, report.builds)) if not report.failures else None)


def _output_bytes(case: CaseReference) -> int:
    signature = case.signature()
    total = 64
    for shape, dtype in zip(signature.shapes, signature.dtypes, strict=True):
        elements = 1
        for size in shape:
            elements *= size
        total += elements * dtype.itemsize + 64
    return total


def _as_launched(build: KernelBuild) -> Launched:
    options = {"num_warps": build.num_warps, "num_stages": build.num_stages}
    settings = Settings(values={**DEFAULTS, **build.config, **options})
    return Launched(kernel=build.kernel, settings=settings, grid=build.grid, launches=build.launches)
