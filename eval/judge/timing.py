"""Time candidate and baselines in turn, each in its runner, with fresh contents in every call.

Two clocks: events in the runner, and the judge's own from the moment it shows the first inputs until the
runner's GPU says that all is done, and further until the judge has read from the outputs. Some rows of an
output are checked in every turn, and of a turn that nobody knows beforehand a call in full.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from eval.gate import MOST_CALLS
from eval.judge import audit, stats
from eval.judge.compare import explain
from eval.judge.contestant import Contestant
from eval.judge.drawn_turns import DrawnTurns
from eval.judge.faults import incorrect
from eval.judge.form import changed_input, check_inputs, unchanged
from eval.judge.hiding import OPEN_KEY
from eval.judge.null_turns import NullTurn
from eval.judge.timed_turn import TimedTurn
from eval.judge.turn_counts import LEAST_MS, calls_a_turn, least_turns
from eval.judge.turns import Turns, blamed_on

if TYPE_CHECKING:
    from eval.judge.calls import Prepared
    from eval.judge.compare import Mismatch
    from eval.judge.foreseen import Foreseen
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
_STRETCH_PART = 0.3
"""Of the time of a session, in which a turn that is checked in full has to come."""
_random = secrets.SystemRandom()


class TimingSession:
    """Measures a set of contestants on one case."""

    def __init__(
        self, case: CaseReference, signature: Signature, contestants: list[Contestant], nulls: NullTurns,
        *, first: bool = True, alone: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        """`nulls` are of earlier sessions beside the same trusted runners.

        Only the `first` session of a candidate adds to them. `alone` waits until nothing is left of
        candidates before this one: it is called after the first round of those that warm up.
        """
        self._case, self._signature, self._contestants = case, signature, contestants
        self._turns = Turns(case, signature, contestants, self._check, self._foresee)
        self._foreseen: tuple[int, Foreseen] | None = None
        """A call of the candidate's turn, drawn before that, and what it has to give."""
        self.nulls, self._first, self._alone = nulls, first, alone
        self.checked = self.checked_in_full = 0
        """Calls of the candidate's that were checked, and of those that count as samples every element."""
        self._stretch = 0
        """Of so many of the candidate's turns one is checked in full; none while warming up."""
        self._drawn = DrawnTurns(self._stretch)

    @property
    def calls(self) -> int:
        """How many calls one turn has."""
        return self._turns.calls

    def _calibrate(self) -> None:
        """Measure what events and the exchange cost, on a trusted runner, by programs of known length."""
        trusted = next(c for c in self._contestants if c.trusted)
        question = {"op": "null", "count": self.calls, "spin_ns": _SPIN_NS}
        turns = []
        for _ in range(self.nulls.wanted(first=self._first)):
            self._turns.settle()
            with blamed_on(trusted), TimedTurn(trusted.runner, question, [OPEN_KEY] * self.calls) as turn:
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
        self._turns.restart(calls)
        self._drawn, self.checked_in_full = DrawnTurns(self._stretch), 0
        for contestant in self._contestants:
            contestant.clear()
            contestant.calls, contestant.late_turns = calls, 0

    def _try_calls(self) -> bool:
        """Take one round of as many calls a turn; False where a turn was not queued when it was opened.

        A launch waits where a driver's queue is full, behind a gate that opens when all is queued.
        """
        self._turns.round(self._order(self._contestants))
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
            self._foreseen = None
            self._turns.let_go()

    def _take_rounds(self, target: Contestant, against: Contestant, deadline: float) -> None:
        order, turns = self._order(self._contestants), 1  # one was taken to try
        while time.monotonic() < deadline:
            following, turns = self._order(self._contestants), turns + 1
            enough = turns >= least_turns(self.calls) and turns % _TURNS_BETWEEN_LOOKS == 0
            self._turns.round(order, None if enough else following[0])
            if enough and self._precise_enough(target, against):
                break
            order = following
        self._turns.hear()

    @staticmethod
    def _order(contestants: list[Contestant]) -> list[Contestant]:
        return _random.sample(contestants, len(contestants))

    def _warm_up(self) -> None:
        """Call everybody a few times, but for those who took turns in an earlier session and were queued."""
        cold = [one for one in self._contestants if one.usual_ms is None or one.waits]
        for contestant in cold:
            contestant.late_turns = 0
        for number in range(_WARM_UP_CALLS):
            self._turns.round(self._order(cold))
            if not number:
                self._alone()
        for contestant in cold:
            contestant.waits = contestant.late_turns >= _WARM_UP_CALLS - 1
            contestant.usual_ms = stats.median(contestant.event_ms), stats.median(contestant.done_ms)

    def _precise_enough(self, target: Contestant, against: Contestant) -> bool:
        """Stop when both the ratio and the comparison of the two clocks are sharp."""
        if not stats.precise_enough(against.samples_ms, target.samples_ms):
            return False
        trusted = [contestant for contestant in self._contestants if contestant.trusted]
        return audit.noise_ms(target, trusted) <= _NOISE_PART * audit.bound_ms(target, trusted)

    def _foresee(self, contestant: Contestant, batch: list[Prepared]) -> None:
        """Draw a call of the turn that is about to be taken, and work out what it has to give.

        That is done in each turn or in none: whether this one is looked at in full is drawn when it is over.
        """
        self._foreseen = None
        index = _random.randrange(len(batch))
        foreseen = contestant.caller.values.foresee(self._case, batch[index], self._signature)
        self._foreseen = (index, foreseen) if foreseen is not None else None

    def _check(self, contestant: Contestant, batch: list[Prepared], outputs: list[list[TensorDesc]]) -> None:
        """Look at the call that was drawn before the turn; in full, or where none was, at one drawn now."""
        in_full = len(contestant.event_ms) - 1 in self._drawn or _random.random() < _FULL_SHARE
        if self._foreseen is not None and in_full and self._foreseen[1].blocks:
            self._foreseen = None
        if self._foreseen is not None:
            (index, foreseen), self._foreseen = self._foreseen, None
            found = [contestant.region.tensor(desc) for desc in outputs[index]]
            self._compare(foreseen, batch[index], found, in_full=in_full)
        elif in_full or _random.random() < _CHECK_SHARE:
            index = _random.randrange(len(batch))
            found = [contestant.region.tensor(desc) for desc in outputs[index]]
            self.verify(contestant, batch[index], found, in_full=in_full)

    def _compare(
        self, foreseen: Foreseen, prepared: Prepared, outputs: list[torch.Tensor], *, in_full: bool
    ) -> None:
        """Look once at inputs and outputs with one wait, and say what is wrong where something is."""
        seen = foreseen.look(outputs)
        flags = [foreseen.clearly_right(seen), *unchanged(prepared, in_full=in_full)]
        clear, *same = torch.stack(flags).tolist()
        self._count(in_full=in_full)
        if not all(same):
            raise changed_input()
        worst = foreseen.worst(seen) if not clear else None
        if worst is not None:
            check_inputs(prepared)  # all of them: that is the better reason
            self._refuse(worst, prepared)

    def _count(self, *, in_full: bool) -> None:
        self.checked += 1
        self.checked_in_full += in_full

    def verify(
        self, contestant: Contestant, prepared: Prepared, outputs: list[torch.Tensor], *, in_full: bool
    ) -> None:
        """Check the outputs of a timed call, every element or blocks all over, and its inputs."""
        check_inputs(prepared, in_full=in_full)
        worst = contestant.caller.values.check(self._case, prepared, outputs, in_full=in_full)
        self._count(in_full=in_full)
        self._refuse(worst, prepared)

    @staticmethod
    def _refuse(worst: Mismatch | None, prepared: Prepared) -> None:
        if worst is not None:
            reason: IncorrectReason = "values" if worst.finite else "not_finite"
            raise incorrect(
                reason, f"a timed call at full size, {prepared.family} contents: {explain(worst)}"
            )
