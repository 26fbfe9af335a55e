"""Turns of a timing session, one after another: who is asked when, and what the judge does meanwhile.

The GPU is to rest as little as possible between two of them. A trusted runner queues its turn while another
takes one, and where a trusted one works for long the judge hears and prepares meanwhile what else it would
between turns. A candidate is asked, watched and heard in its own turn alone.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from eval.judge import stats
from eval.judge.faults import BaselineFailedError, FaultRaised
from eval.judge.form import check_facts, check_form
from eval.judge.readout import Readout
from eval.judge.timed_turn import TimedTurn
from eval.judge.turn_inputs import Cover, TurnInputs

if TYPE_CHECKING:
    from eval.judge.calls import Prepared
    from eval.judge.contestant import Contestant
    from eval.judge.reference import CaseReference, Signature
    from eval.tensors import TensorDesc

Look = Callable[["Contestant", "list[Prepared]", "list[list[TensorDesc]]"], None]
"""Looks at the inputs and outputs of a candidate's turn, by call, and raises what is wrong with them."""
Foresee = Callable[["Contestant", "list[Prepared]"], None]
"""Works out what that needs to know, while the GPU writes the inputs."""

_SEALED_CALLS = 4
"""Of how many calls of a turn elements are read while the clock runs."""
_ROOM = 4.0
"""A trusted runner's call leaves room for what usually takes the judge so much less."""
_AT_FIRST_MS = 0.5
"""What that is taken to be before it was measured."""
_random = secrets.SystemRandom()


class _Owed(NamedTuple):
    """A turn that is over, of which the runner has yet to say what it took."""

    contestant: Contestant
    turn: TimedTurn
    end_ns: int
    """When the judge had read from the outputs."""


class Turns:
    """Takes the turns of one session, and notes in each contestant what was seen of its own."""

    def __init__(
        self, case: CaseReference, signature: Signature, contestants: Sequence[Contestant], look: Look,
        foresee: Foresee | None = None,
    ) -> None:  # fmt: skip
        self._case, self._signature, self._look, self._foresee = case, signature, look, foresee
        device, properties = contestants[0].region.base.device, torch.cuda.get_device_properties(0)
        self._flush = torch.empty(2 * properties.L2_cache_size, dtype=torch.uint8, device=device)
        self.calls = 1
        """Of one turn."""
        self._inputs = TurnInputs(case, contestants)
        self._asked: dict[Contestant, tuple[TimedTurn, Cover]] = {}
        """Turns that runners queue, or have queued."""
        self._readouts: dict[Contestant, Readout] = {}
        """Drawn before their turn."""
        self._owed: _Owed | None = None
        self._failure: BaselineFailedError | None = None
        """Of another baseline than the one that took its turn."""
        self._used_ms: list[float] = []
        """How long it took what was done while others worked."""
        self._hurried: set[Contestant] = set()
        """Those that were done before that was."""

    def restart(self, calls: int) -> None:
        """Begin with new contents, and with so many calls a turn."""
        self.calls = calls
        self._inputs.restart()
        self._readouts.clear()

    def round(self, order: list[Contestant], then: Contestant | None = None) -> None:
        """Let each take a turn; `then` is whose turn the next one is, where that is known.

        Without it all is heard of these turns that there is to hear.

        Raises:
            FaultRaised: the candidate failed, or an output was wrong.
            BaselineFailedError: a baseline failed.

        """
        self._inputs.next_round()
        for contestant, following in zip(order, [*order[1:], then], strict=False):
            room = self._gives_room(contestant)
            if not room:
                self._ask_ahead(following, contestant)  # first: if it fails, the candidate was not asked
            self._ask(contestant)
            try:
                with blamed_on(contestant):
                    self._take(contestant, following, room=room)
            except (FaultRaised, BaselineFailedError) as raised:
                if self._failure is not None:  # which came first
                    raise self._failure from raised
                raise
            if self._failure is not None:
                raise self._failure
        if then is None:
            self.hear()

    def _gives_room(self, contestant: Contestant) -> bool:
        """Tell whether it works so long that the judge need not watch for the end all the time."""
        if not contestant.trusted or self.calls > 1 or contestant in self._hurried:
            return False
        usual_ms = contestant.usual_ms[0] if contestant.usual_ms is not None else 0.0
        used_ms = stats.median(self._used_ms) if self._used_ms else _AT_FIRST_MS
        return usual_ms >= _ROOM * used_ms

    def _may_queue(self, following: Contestant, taking_turns: Contestant) -> bool:
        """Tell whether a runner may queue its turn while another takes one.

        A candidate's code never runs meanwhile, nor work that would wait for its own results.
        """
        runs_ahead = following.trusted and following.waits is False and self._inputs.apart
        return runs_ahead and following is not taking_turns and not following.keeps_weights

    def _ask_ahead(self, following: Contestant | None, taking_turns: Contestant) -> None:
        if following is not None and self._may_queue(following, taking_turns):
            self._ask(following)

    def _ask(self, contestant: Contestant) -> None:
        """Let a runner queue a turn, unless it was asked to."""
        if contestant in self._asked:
            return
        if self._owed is not None and self._owed.contestant is contestant:
            self.hear()
        with blamed_on(contestant):
            cover = self._inputs.cover(contestant, self.calls)
            asked = [contestant.caller.named(self._case, call) for call in range(self.calls)]
            batch = asked if asked != contestant.asked else None
            question = {"op": "timed", "key": contestant.key, "batch": batch}
            self._asked[contestant] = TimedTurn(contestant.runner, question, cover.keys), cover
            contestant.asked = asked

    def _take(self, contestant: Contestant, following: Contestant | None, *, room: bool) -> None:
        """Take the turn that was asked for, where there is `room` with other things meanwhile."""
        turn, cover = self._asked.pop(contestant)
        meanwhile = partial(self._use_the_time, contestant, following) if room else None
        with turn:
            batch = self._inputs.write(contestant, cover)
            if not room:
                with self._failing_later():
                    self.hear()
            readout = self._readouts.pop(contestant, None) or self._readout(contestant)
            if self._foresee is not None and not contestant.trusted:
                self._foresee(contestant, batch)
            self.settle()
            turn.admit()
            told = turn.queue()
            if told is not None:
                readout = readout.of(self._outputs(contestant, told))
            readout = readout.of(self._outputs(contestant, turn.run(meanwhile)))
            readout.read()
            torch.cuda.synchronize()
            self._owed = _Owed(contestant, turn, time.monotonic_ns())
        if not room:
            self.hear()
        if not contestant.trusted:
            readout.check()
            self._look(contestant, batch, contestant.told[1])

    def _use_the_time(self, contestant: Contestant, following: Contestant | None) -> None:
        """Do what else would come between this turn and the next."""
        start = time.perf_counter()
        with self._failing_later():
            self.hear()
            self._ask_ahead(following, contestant)
        if following is not None:
            self._readouts[following] = self._readout(following)
        self._used_ms.append(1e3 * (time.perf_counter() - start))

    @contextlib.contextmanager
    def _failing_later(self) -> Iterator[None]:
        """Let the turn that is taken come to its end first: another baseline than that one failed."""
        try:
            yield
        except BaselineFailedError as failure:
            self._failure = failure

    def _readout(self, contestant: Contestant) -> Readout:
        early = _random.sample(range(self.calls), min(self.calls, _SEALED_CALLS))
        return Readout(contestant.region.base, contestant.told[1], early)

    def hear(self) -> None:
        """Hear what the runner that took the last turn says of it, where that is not known yet.

        A turn whose end was not watched for counts for nothing.

        Raises:
            FaultRaised: the candidate failed.
            BaselineFailedError: a baseline failed.

        """
        owed, self._owed = self._owed, None
        if owed is None:
            return
        contestant, turn, end_ns = owed
        with blamed_on(contestant):
            with turn:
                event_ms, facts = turn.end()
            check_facts(facts)
        contestant.launched.add((self.calls, frozenset(facts.launched.items())))
        contestant.late_turns += not turn.queued
        if not turn.watched:
            self._hurried.add(contestant)
            return
        contestant.record(event_ms)
        contestant.done_ms.append((turn.done_ns - turn.shown_ns) / 1e6 / self.calls)
        contestant.sealed_ms.append((end_ns - turn.done_ns) / 1e6)

    def let_go(self) -> None:
        """Let turns that were asked for run, though nobody takes them any more; who fails is ended."""
        with contextlib.suppress(BaselineFailedError, FaultRaised):
            self.hear()
        while self._asked:
            _, (turn, _) = self._asked.popitem()
            with contextlib.suppress(FaultRaised), turn:
                turn.admit()
                turn.queue()
                turn.run()
                turn.end()

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

    def settle(self) -> None:
        """Sweep the L2, and wait until the judge has nothing more to do on the GPU."""
        self._flush.fill_(secrets.randbits(8))
        torch.cuda.synchronize()


@contextlib.contextmanager
def blamed_on(contestant: Contestant) -> Iterator[None]:
    """Make our own failure of a fault of a trusted runner."""
    try:
        yield
    except FaultRaised as raised:
        if contestant.trusted:
            raise BaselineFailedError(contestant.role, raised.detail) from raised
        raise
