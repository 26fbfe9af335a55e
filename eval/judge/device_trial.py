"""A trial on a GPU: correctness as on the CPU, then the official size, then time.

What comes before the official size may be done while the verdict on the candidate before is finished.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from eval.judge import baton, gpu
from eval.judge.audit import disputed, once_more
from eval.judge.baselines import Baselines, official_case
from eval.judge.calls import Caller
from eval.judge.company import may_be_the_company
from eval.judge.contestant import Contestant
from eval.judge.faults import BaselineFailedError, Fault, JudgeError, rejected
from eval.judge.regions import DeviceRegion, Region, bytes_needed
from eval.judge.result import build_timing, corrected, unsettled
from eval.judge.session_times import DRIFT_LIMIT, Kept
from eval.judge.standby import Place, seed
from eval.judge.timing import TimingSession
from eval.judge.told import UntrustedDetails
from eval.judge.trial import Trial, fault_of
from eval.judge.weights import transfer_bytes
from eval.stage.account import of_turn
from eval.stage.sides import read_side

if TYPE_CHECKING:
    from collections.abc import Callable

    from eval.judge.beside import Beside
    from eval.judge.correctness import Correctness
    from eval.judge.lookahead import Lookahead
    from eval.judge.processes import Zygote
    from eval.judge.reference import CaseReference
    from eval.judge.runner import Runner
    from eval.records import Environment, Job, Verdict

__all__ = ["Baselines", "DeviceTrial"]

_BUDGET_SECONDS = 5.0
_STARTED = 2
"""Runners that are started when a candidate is timed, until there is one in each spare region: the next one
begins in one of them once it was, and where several fail at once, each uses one up."""
_DISAGREED = "the runner's events and the judge's clock disagreed"


class _Turns(NamedTuple):
    session: TimingSession
    contestants: list[Contestant]
    """Those that took turns with the candidate."""
    clocks: tuple[dict[str, Any], dict[str, Any]]
    drift: float | None = None
    """Of the canary, where it alone took turns."""
    kept: dict[str, Kept] = {}
    """Times from earlier in the session, by role."""
    again: tuple[str, ...] = ()
    """Why the turns before these were not relied on."""


class DeviceTrial(Trial):
    """Judges one job on a GPU, beside baselines that outlive it."""

    device = "cuda"

    def __init__(
        self, job: Job, zygote: Zygote, environment: Environment, baselines: Baselines, lookahead: Lookahead,
        *, cache: Callable[[], bytes | None], beside: Beside,
    ) -> None:  # fmt: skip
        """`cache` gives what was compiled ahead."""
        self._baselines, self._lookahead = baselines, lookahead
        self._cache, self._neighbour = cache, beside
        self._place: Place | None = None
        self._correct: Correctness | None = None
        self._begun_at: float | None = None
        """When it was known whether the candidate is right; None before that."""
        self._fault: Fault | None = None
        self._interrupted = False
        super().__init__(job, zygote, environment)

    def _size_name(self) -> str:
        return official_case(self._job).name

    def begin(self) -> None:
        """Find out whether the candidate is right on the deciding cases; `judge` goes on from there.

        Raises:
            JudgeError: as `judge`.

        """
        self._start = time.monotonic() - baton.waited_s()
        try:
            self._fault = self._check_text() or fault_of(self._decide)
        except BaseException:
            self.end()
            raise
        self._begun_at = time.monotonic()
        self._start += baton.waited_s()

    @property
    def may_be_the_company(self) -> bool:
        """Tell whether what is wrong may be the work of the candidate that was tried at the same time."""
        return self._place is not None and may_be_the_company(self._fault)

    @property
    def is_wrong(self) -> bool:
        """Tell whether it is known what is wrong with the candidate, so that there is nothing to time."""
        return self._fault is not None and not self.may_be_the_company

    def judge(self) -> Verdict:
        """Return the verdict; only our own failures raise.

        Raises:
            JudgeError: the problem or the machine does not allow a verdict.

        """
        if self._begun_at is None:
            self.begin()
        assert self._begun_at is not None
        rested_s = time.monotonic() - self._begun_at
        self._start += rested_s - baton.waited_s()
        if self._place is not None and self._place.runner is not None:
            self._place.runner.rested(rested_s)
        try:
            fault = self._fault or fault_of(self._measure)
        finally:
            self.end()
        self._start += baton.waited_s()
        return self._verdict(fault)

    def _decide(self) -> None:
        cases = self._references(self._job.problem.cases)
        variants = self._references(self._job.problem.variants)
        split = self._baselines.candidate_region.split
        needs = (bytes_needed(case.inputs, DeviceRegion.align, 2) for case in [*cases, *variants])
        small = max(needs, default=0)
        small += transfer_bytes([*cases, *variants], DeviceRegion.align)
        assert small <= split, "scaled cases are larger than the official one"
        self._correct = self._placed(cases)

    def _placed(self, cases: list[CaseReference]) -> Correctness:
        """Load the candidate into a runner, and call it on these cases."""
        self._place = place = self._lookahead.place(self._job, self._baselines)
        runner = self._runner_in(place)
        self._place = Place(place.region, runner)
        if self._interrupted:
            raise JudgeError("nobody waits for this candidate any more")
        seed(runner, place.region, self._cache())
        return self._correctness(runner, place.region, cases, [])

    def _measure(self) -> None:
        assert self._place is not None
        assert self._place.runner is not None
        assert self._correct is not None
        self._lookahead.wait_for_the_gpu()
        self._time(self._place.runner, self._place.region, self._correct)
        variants = self._references(self._job.problem.variants)
        self._add_variants(self._correct, variants)
        if not self._place.runner.alive() and self._neighbour.end():  # it died in company
            self.end()
            self._add_variants(self._placed([]), variants)

    def interrupt(self) -> None:
        """End the candidate under another thread that is in `begin`, which then ends soon."""
        self._interrupted = True
        if self._place is not None and self._place.runner is not None:
            self._place.runner.interrupt()

    def end(self) -> None:
        """End the candidate, and give its place back."""
        place, self._place = self._place, None
        if place is None:
            return
        if place.runner is not None:
            self._common["output"] = place.runner.output() or None
        self._lookahead.retire(place)

    def _loaded(self) -> None:
        waited_s = self._neighbour.wait()
        if self._place is not None and self._place.runner is not None:
            self._place.runner.rested(waited_s)
        self._lookahead.prepare(self._baselines, waiting=1)

    def _runner_in(self, place: Place) -> Runner:
        if place.runner is not None:
            return self._accepted(place.runner)
        place.region.clear()
        torch.cuda.synchronize()
        return self._start_runner(place.region)

    def _add_variants(self, correctness: Correctness, variants: list[CaseReference]) -> None:
        results = correctness.variants(variants)
        self._common["variants"] = results
        self._common["robust"] = all(result.status == "passed" for result in results) if results else None

    def _time(self, runner: Runner, region: Region, correctness: Correctness) -> None:
        case, signature = self._baselines.case, self._baselines.signature
        caller = Caller(self._job.problem, region, self._baselines.private)
        key = correctness.prepare_instance(case)
        timed = self._job.timing  # then one of the timed calls is checked in full
        family = caller.families[-1]
        caller.checked_call(
            runner, case, signature, family, key=key, in_full=not timed, forced=None,
            meanwhile=self._read_ahead,
        )  # fmt: skip
        if not timed:
            self._lookahead.prepare(self._baselines, waiting=1)
            self._neighbour.begin()
            self._neighbour.release()
            return
        candidate = Contestant("candidate", runner, region, caller, key, trusted=False)
        turns = self._take_turns(candidate)
        contestants = turns.contestants
        self._count(candidate, contestants)
        if not turns.session.checked_in_full:  # of calls so long that their time was over before that turn
            caller.checked_call(runner, case, signature, caller.dense[0], key=key, forced=None)
        told = UntrustedDetails(runner)
        self._neighbour.begin()
        try:
            told.begin_profile(caller, case, key)
            timing = build_timing(
                self._job, self._baselines, turns.session, candidate, contestants, turns.clocks, turns.kept,
                turns.again,
            )  # fmt: skip
            told.end_profile()
        finally:
            self._neighbour.release()
        if turns.drift is None and timing.stable:
            self._baselines.session_times.keep(timing.samples_ms, timing.clock["place_half_width"])
        details = {"baselines_drift": turns.drift, **told.fields(self._kernels)}
        timing = timing.model_copy(update=details)
        self._common["timing"] = timing
        self._common["guarantees"] = self._common["guarantees"].model_copy(update={"clock_audit": True})
        self._check_clock(candidate, contestants)
        limit = timing.hard_limit_ms
        if limit is not None and timing.candidate_ms.median < limit:
            raise rejected(
                "impossible_time",
                f"{timing.candidate_ms.median:.4g} ms is below {limit:.4g} ms, "
                "what the memory's pins and the matrix units allow",
                "hard_limit",
            )

    def _read_ahead(self) -> None:
        """Read the text as its stage will, while the candidate's tuner is at work; what was read is kept."""
        if self._job.stage_rules is not None:
            read_side(self._job.code)

    def _count(self, candidate: Contestant, contestants: list[Contestant]) -> None:
        """Note what timed calls launched, the candidate's and those of the current code."""
        current = next((one for one in contestants if one.role == "current"), None)
        for counts, contestant in ((self.counts, candidate), (self.current_counts, current)):
            if contestant is not None:
                turns = (of_turn(*turn) for turn in contestant.launched)
                counts[f"{self._size_name()}, timed"] = {one for turn in turns for one in turn}

    def _take_turns(self, candidate: Contestant) -> _Turns:
        """Time the candidate beside all baselines, or beside a canary where their times may be kept."""
        times = self._baselines.session_times
        role = times.canary() if self._job.baselines == "session" else None
        turns = self._beside(candidate, role) if role is not None else None
        return turns or self._timed(candidate, self._baselines.contestants())

    def _beside(self, candidate: Contestant, role: str) -> _Turns | None:
        """Time the candidate beside one baseline; None where the kept times of the others do not stand."""
        times = self._baselines.session_times
        (canary,) = (one for one in self._baselines.contestants() if one.role == role)
        try:
            turns = self._session(candidate, [canary])
        except BaselineFailedError as failure:
            self._baselines.without(failure)
            candidate.clear()
            return None
        drift = times.drift(role, corrected(turns.session, canary.samples_ms))
        steady = abs(drift) <= DRIFT_LIMIT and not _doubts(candidate, turns)
        # One trusted runner alone bounds the exchange too narrowly to accuse anybody.
        if steady and disputed(candidate, [canary]) is None:
            return turns._replace(drift=drift, kept=times.others(role))
        candidate.clear()
        return None

    def _timed(self, candidate: Contestant, contestants: list[Contestant]) -> _Turns:
        """Run a session, and another where its times are not to be relied on.

        A clock that is disputed once may be noise: the session that is returned is disputed only if another
        was too. After one that was doubted for something else there may be a third.
        """
        again: list[str] = []
        disputes: list[bool] = []
        while True:
            turns = self._with_or_without_compile(candidate, contestants)
            contestants, doubts = turns.contestants, _doubts(candidate, turns)
            disputes.append(disputed(candidate, contestants) is not None)
            if not once_more(disputes, doubted=bool(doubts)):
                return turns._replace(again=tuple(again))
            again += [*doubts, *[_DISAGREED] * disputes[-1]]
            for contestant in [candidate, *contestants]:
                contestant.clear()

    def _with_or_without_compile(self, candidate: Contestant, contestants: list[Contestant]) -> _Turns:
        try:
            return self._session(candidate, contestants)
        except BaselineFailedError as failure:
            left = self._baselines.without(failure)
            candidate.clear()
            return self._session(candidate, left)

    def _session(self, candidate: Contestant, contestants: list[Contestant]) -> _Turns:
        target = next((c for c in contestants if c.role == "current"), contestants[0])
        case, signature = self._baselines.case, self._baselines.signature
        session = TimingSession(
            case, signature, [candidate, *contestants], self._baselines.nulls,
            first=candidate.usual_ms is None, alone=self._lookahead.wait_for_the_dead,
        )  # fmt: skip
        before = gpu.clocks_before(self._baselines.conditions)
        self._lookahead.prepare(self._baselines, waiting=len(self._baselines.spares), most=_STARTED)
        session.run(candidate, target, _BUDGET_SECONDS, self._baselines.most_calls)
        self._baselines.conditions = gpu.conditions_since(before)
        return _Turns(session, contestants, (before, self._baselines.conditions))

    @staticmethod
    def _check_clock(candidate: Contestant, contestants: list[Contestant]) -> None:
        """Require that the runner's events agree with the judge's clock as trusted runners' do."""
        problem = disputed(candidate, contestants)
        if problem is not None:
            raise rejected("disputed_clock", problem, "clock_audit")


def _doubts(candidate: Contestant, turns: _Turns) -> list[str]:
    every = [candidate, *turns.contestants]
    return unsettled({c.role: corrected(turns.session, c.samples_ms) for c in every}, turns.clocks)
