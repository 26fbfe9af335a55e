"""Time candidate and baselines in turn, each in its runner, with fresh contents in every call.

Two clocks: events in the runner, and the judge's own from the moment it shows the first inputs until the
runner's GPU says that all is done, and further until the judge has read from the outputs. Some rows of an
output are checked in every turn, and of a turn that nobody knows beforehand a call in full.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch

from eval.gate import MOST_CALLS
from eval.judge import audit, stats
from eval.judge.contestant import Contestant
from eval.judge.drawn_turns import DrawnTurns
from eval.judge.faults import BaselineFailedError, FaultRaised, incorrect
from eval.judge.form import check_facts, check_form, check_inputs
from eval.judge.hiding import OPEN_KEY
from eval.judge.null_turns import NullTurn
from eval.judge.readout import Readout
from eval.judge.timed_turn import TimedTurn
from eval.judge.turn_counts import LEAST_MS, calls_a_turn, least_turns
from eval.judge.turn_inputs import Cover, TurnInputs

if TYPE_CHECKING:
    from eval.judge.calls import Prepared
    from eval.judge.null_turns import NullTurns
    from eval.judge.reference import CaseReference, Signature
    from eval.records import IncorrectReason
    from eval.tensors import TensorDesc

_TURNS_BETWEEN_LOOKS = 4
"""At whether there are enough."""
_SPIN_NS = 4000
_WARM_UP_CALLS = 3
_CHECK_SHARE, _FULL_SHARE = 0.5, 0.01
"""Parts of the timed turns of which a call is checked at all, where no quick look can be taken, and in full
beside the one that is drawn. Quick looks, in places all over the output, are taken in every turn."""
_NOISE_PART = 1 / 3
"""Rounds go on until noise is no larger a part of the disagreement of the clocks that is allowed."""
_SEALED_CALLS = 4
"""Of how many calls of a turn elements are read while the clock runs."""
_STRETCH_PART = 0.3
"""Of the time of a session, in which a turn that is checked in full has to come."""
_random = secrets.SystemRandom()


class TimingSession:
    """Measures a set of contestants on one case."""

    def __init__(
        self, case: CaseReference, signature: Signature, contestants: list[Contestant], nulls: NullTurns,
        *, first: bool = True,
    ) -> None:  # fmt: skip
        """`nulls` are of earlier sessions beside the same trusted runners.

        Only the `first` session of a candidate adds to them.
        """
        self._case, self._signature, self._contestants = case, signature, contestants
        properties = torch.cuda.get_device_properties(0)
        self._flush = torch.empty(2 * properties.L2_cache_size, dtype=torch.uint8, device="cuda")
        self.calls = 1
        self._inputs = TurnInputs(case, contestants)
        self._asked: dict[Contestant, tuple[TimedTurn, Cover]] = {}
        """Turns that runners queue, or have queued."""
        self.nulls, self._first = nulls, first
        self.checked = self.checked_in_full = 0
        """Calls of the candidate's that were checked, and of those that count as samples every element."""
        self._stretch = 0
        """Of so many of the candidate's turns one is checked in full; none while warming up."""
        self._drawn = DrawnTurns(self._stretch)

    def _calibrate(self) -> None:
        """Measure what events and the exchange cost, on a trusted runner, by programs of known length."""
        trusted = next(c for c in self._contestants if c.trusted)
        question = {"op": "null", "count": self.calls, "spin_ns": _SPIN_NS}
        turns = []
        for _ in range(self.nulls.wanted(first=self._first)):
            self._settle()
            with _blamed_on(trusted), TimedTurn(trusted.runner, question, [OPEN_KEY] * self.calls) as turn:
                turn.admit()
                turn.queue()
                turn.run()
                beyond_ms, _ = turn.end()
            spun_ms = self.calls * _SPIN_NS / 1e6
            turns.append(NullTurn((turn.done_ns - turn.shown_ns) / 1e6, spun_ms, beyond_ms))
        if turns:
            self.nulls.record(turns)

    def _choose_calls(self, most: int, budget_s: float) -> None:
        """Decide how many calls a turn has, from the times seen while warming up."""
        usual = [(c.trusted, *c.usual_ms) for c in self._contestants if c.usual_ms is not None]
        trusted = [event_ms for trusted, event_ms, _ in usual if trusted]
        together = sum(done_ms for _, _, done_ms in usual)
        waits = any(contestant.waits for contestant in self._contestants)
        calls = 1 if waits else min(calls_a_turn(min(trusted), together), most, MOST_CALLS)
        affordable = int(_STRETCH_PART * budget_s * 1e3 / max(calls * together, LEAST_MS))
        self._stretch = max(1, min(least_turns(calls), affordable))
        self._set_calls(calls)

    def _set_calls(self, calls: int) -> None:
        self.calls = calls
        self._inputs.restart()
        self._drawn, self.checked_in_full = DrawnTurns(self._stretch), 0
        for contestant in self._contestants:
            contestant.clear()
            contestant.calls, contestant.late_turns = calls, 0

    def _try_calls(self) -> bool:
        """Take one round of as many calls a turn; False where a turn was not queued when it was opened.

        A launch waits where a driver's queue is full, behind a gate that opens when all is queued.
        """
        self._round(self._order(self._contestants))
        late = [contestant for contestant in self._contestants if contestant.late_turns]
        if self.calls == 1 or not late:
            return True
        if not any(contestant.trusted for contestant in late):
            for contestant in late:
                contestant.waits = True
        return False

    def run(self, target: Contestant, against: Contestant, budget_s: float, most_calls: int) -> None:
        """Take turns until the ratio of `against` to `target` is precise enough or the budget ends.

        `most_calls` is how many inputs and outputs there is room for.

        Raises:
            FaultRaised: the candidate failed or an output was wrong.
            BaselineFailedError: a baseline failed.

        """
        try:
            self._warm_up()
            self._choose_calls(most_calls, budget_s)
            self._calibrate()
            while not self._try_calls():
                waits = any(contestant.waits for contestant in self._contestants)
                self._set_calls(1 if waits else max(1, self.calls // 4))
            self._take_rounds(target, against, time.monotonic() + budget_s)
        finally:
            self._let_go()

    def _take_rounds(self, target: Contestant, against: Contestant, deadline: float) -> None:
        order = self._order(self._contestants)
        while time.monotonic() < deadline:
            following = self._order(self._contestants)
            turns = len(target.event_ms) + 1
            enough = turns >= least_turns(self.calls) and turns % _TURNS_BETWEEN_LOOKS == 0
            self._round(order, None if enough else following[0])
            if enough and self._precise_enough(target, against):
                break
            order = following

    @staticmethod
    def _order(contestants: list[Contestant]) -> list[Contestant]:
        return _random.sample(contestants, len(contestants))

    def _warm_up(self) -> None:
        """Call everybody a few times, but for those who took turns in an earlier session and were queued."""
        cold = [one for one in self._contestants if one.usual_ms is None or one.waits]
        for contestant in cold:
            contestant.late_turns = 0
        for _ in range(_WARM_UP_CALLS):
            self._round(self._order(cold))
        for contestant in cold:
            contestant.waits = contestant.late_turns >= _WARM_UP_CALLS - 1
            contestant.usual_ms = stats.median(contestant.event_ms), stats.median(contestant.done_ms)

    def _precise_enough(self, target: Contestant, against: Contestant) -> bool:
        """Stop when both the ratio and the comparison of the two clocks are sharp."""
        if not stats.precise_enough(against.samples_ms, target.samples_ms):
            return False
        trusted = [contestant for contestant in self._contestants if contestant.trusted]
        return audit.noise_ms(target, trusted) <= _NOISE_PART * audit.bound_ms(target, trusted)

    def _round(self, order: list[Contestant], then: Contestant | None = None) -> None:
        """Let each take a turn; `then` is whose turn the next one is, where that is known."""
        self._inputs.next_round()
        for contestant, following in zip(order, [*order[1:], then], strict=False):
            if following is not None and self._may_queue(following, contestant):
                self._ask(following)  # first: if that fails, the candidate has not been asked for anything
            self._ask(contestant)
            with _blamed_on(contestant):
                self._turn(contestant, self._asked.pop(contestant))

    def _may_queue(self, following: Contestant, taking_turns: Contestant) -> bool:
        """Tell whether a runner may queue its turn while another takes one.

        A candidate's code never runs meanwhile, nor work that would wait for its own results.
        """
        runs_ahead = following.trusted and following.waits is False and self._inputs.apart
        return runs_ahead and following is not taking_turns and not following.keeps_weights

    def _ask(self, contestant: Contestant) -> None:
        """Let a runner queue a turn, unless it was asked to."""
        if contestant in self._asked:
            return
        with _blamed_on(contestant):
            cover = self._inputs.cover(contestant, self.calls)
            asked = [contestant.caller.named(self._case, call) for call in range(self.calls)]
            batch = asked if asked != contestant.asked else None
            question = {"op": "timed", "key": contestant.key, "batch": batch}
            self._asked[contestant] = TimedTurn(contestant.runner, question, cover.keys), cover
            contestant.asked = asked

    def _let_go(self) -> None:
        """Let turns that were asked for run, though nobody takes them any more; who fails is ended."""
        while self._asked:
            _, (turn, _) = self._asked.popitem()
            with contextlib.suppress(FaultRaised), turn:
                turn.admit()
                turn.queue()
                turn.run()
                turn.end()

    def _turn(self, contestant: Contestant, asked: tuple[TimedTurn, Cover]) -> None:
        turn, cover = asked
        early = _random.sample(range(self.calls), min(self.calls, _SEALED_CALLS))
        with turn:
            batch = self._inputs.write(contestant, cover)
            readout = Readout(contestant.region.base, contestant.told[1], early)
            self._settle()
            turn.admit()
            told = turn.queue()
            if told is not None:
                readout = readout.of(self._outputs(contestant, told))
            readout = readout.of(self._outputs(contestant, turn.run()))
            readout.read()
            torch.cuda.synchronize()
            end_ns = time.monotonic_ns()
            event_ms, facts = turn.end()
        check_facts(facts)
        contestant.launched.add((self.calls, frozenset(facts.launched.items())))
        contestant.late_turns += not turn.queued
        contestant.record(event_ms)
        contestant.done_ms.append((turn.done_ns - turn.shown_ns) / 1e6 / self.calls)
        contestant.sealed_ms.append((end_ns - turn.done_ns) / 1e6)
        if not contestant.trusted:
            readout.check()
            self._check(contestant, batch, contestant.told[1])

    def _outputs(self, contestant: Contestant, told: list[Any]) -> list[list[TensorDesc]]:
        """Return where the outputs of each call lie, once it is known that they are what is wanted."""
        found = contestant.told[1]
        if told != contestant.told[0]:
            found = []
            for call in told:
                parsed = contestant.runner.parsed(call)
                check_form(parsed, self._signature)
                found.append(contestant.runner.descriptions(parsed))
        contestant.told = told, found
        return found

    def _check(self, contestant: Contestant, batch: list[Prepared], outputs: list[list[TensorDesc]]) -> None:
        """Look at one call, that is drawn now: some rows of its outputs, or all."""
        in_full = len(contestant.event_ms) - 1 in self._drawn or _random.random() < _FULL_SHARE
        if not in_full and not contestant.caller.values.looks_quickly and _random.random() >= _CHECK_SHARE:
            return
        index = _random.randrange(len(batch))
        found = [contestant.region.tensor(desc) for desc in outputs[index]]
        self.verify(contestant, batch[index], found, in_full=in_full)

    def verify(
        self, contestant: Contestant, prepared: Prepared, outputs: list[torch.Tensor], *, in_full: bool
    ) -> None:
        """Check the outputs of a timed call, every element or blocks all over, and its inputs."""
        from eval.judge.compare import explain

        check_inputs(prepared, in_full=in_full)
        worst = contestant.caller.values.check(self._case, prepared, outputs, in_full=in_full)
        self.checked += 1
        self.checked_in_full += in_full
        if worst is not None:
            reason: IncorrectReason = "values" if worst.finite else "not_finite"
            raise incorrect(
                reason, f"a timed call at full size, {prepared.family} contents: {explain(worst)}"
            )

    def _settle(self) -> None:
        self._flush.fill_(secrets.randbits(8))
        torch.cuda.synchronize()


@contextlib.contextmanager
def _blamed_on(contestant: Contestant) -> Iterator[None]:
    """Make our own failure of a fault of a trusted runner."""
    try:
        yield
    except FaultRaised as raised:
        if contestant.trusted:
            raise BaselineFailedError(contestant.role, raised.detail) from raised
        raise
