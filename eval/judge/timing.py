"""Time candidate and baselines in turn, each in its runner, with fresh contents in every call.

Two clocks: events in the runner, and the judge's own from the moment it shows the first inputs until it
holds the output. Which outputs are checked in full is drawn after the call.
"""

from __future__ import annotations

import math
import secrets
import time
from typing import TYPE_CHECKING, Any

import torch

from eval.gate import MOST_CALLS
from eval.judge import audit, stats
from eval.judge.calls import same_bits
from eval.judge.faults import BaselineFailedError, FaultRaised, incorrect, rejected
from eval.judge.hiding import Hiding

if TYPE_CHECKING:
    from eval.judge.calls import Caller, Prepared
    from eval.judge.reference import CaseReference, Signature
    from eval.judge.regions import Region
    from eval.judge.runner import Runner, TimedReply
    from eval.records import IncorrectReason

_BATCH_MS = 2.0
"""Short calls are timed several in a turn, so that the cost of the exchange is shared."""
_NULL_CALLS = 9
_WARM_UP_CALLS = 3
_CHECK_SHARE, _FULL_SHARE = 0.5, 0.04
"""Parts of the timed turns of which a call is checked at all, where no quick look can be taken, and in full.
Quick looks, in places all over the output, are taken in every turn."""
_AUDIT_TARGET = 0.05
"""Rounds go on until a disagreement of the clocks by this part of the time would show."""
_SEAL_ELEMENTS, _SEALED_CALLS = 1024, 4
"""Of how many calls of a turn how many elements are read while the clock runs."""
_MOST_ROUND_MS = 100.0
"""All contestants' turns of one round together, so that there are many rounds."""
_random = secrets.SystemRandom()


class Contestant:
    """One runner that takes its turns: the candidate or a baseline."""

    def __init__(
        self, role: str, runner: Runner, region: Region, caller: Caller, key: str, *, trusted: bool
    ) -> None:
        self.role, self.runner, self.region, self.caller, self.key = role, runner, region, caller, key
        self.trusted = trusted
        self.calls = 1
        """Calls in one turn."""
        self.waits = False
        """Its calls wait for results of their own, so that none can be queued while another runs."""
        self.late_turns = 0
        """Turns whose work was not queued when its inputs were shown."""
        self.event_ms: list[float] = []
        """Mean over the calls of a turn of what the runner's events say, by turn."""
        self.call_ms: list[list[float]] = []
        """What they say of each call; the inputs of the n-th lie in the same place in each turn."""
        self.rung_ms: list[float] = []
        """Time by the judge's clock from the first inputs shown until the runner said it was done, over the
        number of calls, by turn."""
        self.sealed_ms: list[float] = []
        """Time from then until the judge had read from an output, by turn."""

    def clear(self) -> None:
        """Forget the samples of an earlier session."""
        self.event_ms, self.call_ms, self.rung_ms, self.sealed_ms = [], [], [], []


def calls_a_turn(shortest_ms: float, together_ms: float) -> int:
    """Return how many calls of `shortest_ms` share a turn; one call of each contestant takes `together_ms`.

    The candidate's own events decide nothing here: they may say anything.
    """
    if shortest_ms >= _BATCH_MS / 2:
        return 1
    wanted = math.ceil(_BATCH_MS / max(shortest_ms, 1e-3))
    return max(1, min(wanted, int(_MOST_ROUND_MS / max(together_ms, 1e-3))))


class TimingSession:
    """Measures a set of contestants on one case."""

    def __init__(self, case: CaseReference, signature: Signature, contestants: list[Contestant]) -> None:
        self._case, self._signature, self._contestants = case, signature, contestants
        properties = torch.cuda.get_device_properties(0)
        self._flush = torch.empty(2 * properties.L2_cache_size, dtype=torch.uint8, device="cuda")
        self._picks: list[tuple[torch.Tensor, ...]] = []
        self.calls = 1
        self.null_ms = 0.0
        self.null_spread_ms = 0.0
        self.event_null_ms = 0.0
        self.checked = 0

    def _calibrate(self) -> None:
        """Measure what the exchange itself costs, on a trusted runner that calls nothing."""
        trusted = next(c for c in self._contestants if c.trusted)
        waits, events = [], []
        for _ in range(_NULL_CALLS):
            self._settle()
            trusted.runner.arm()
            events += trusted.runner.null_calls(self.calls)
            waits.append((trusted.runner.rung_ns - trusted.runner.shown_ns) / 1e6)
        self.null_ms, self.null_spread_ms = stats.median(waits), stats.spread(waits)
        self.event_null_ms = min(events)

    def _choose_calls(self, most: int) -> None:
        """Decide how many calls a turn has, from the times seen while warming up."""
        trusted = [stats.median(c.event_ms) for c in self._contestants if c.trusted]
        together = sum(stats.median(c.rung_ms) for c in self._contestants)
        waits = any(contestant.waits for contestant in self._contestants)
        self._set_calls(1 if waits else min(calls_a_turn(min(trusted), together), most, MOST_CALLS))

    def _set_calls(self, calls: int) -> None:
        self.calls = calls
        for contestant in self._contestants:
            contestant.clear()
            contestant.calls, contestant.late_turns = calls, 0

    def _try_calls(self) -> bool:
        """Take one round of as many calls a turn; False where a turn was not queued when it was opened.

        A launch waits where a driver's queue is full, behind a gate that opens when all is queued.
        """
        self._calibrate()
        self._round()
        return self.calls == 1 or not any(contestant.late_turns for contestant in self._contestants)

    def run(self, target: Contestant, against: Contestant, budget_s: float, most_calls: int) -> None:
        """Take turns until the ratio of `against` to `target` is precise enough or the budget ends.

        `most_calls` is how many inputs and outputs there is room for.

        Raises:
            FaultRaised: the candidate failed or an output was wrong.
            BaselineFailedError: a baseline failed.

        """
        for contestant in self._contestants:
            contestant.late_turns = 0
        for _ in range(_WARM_UP_CALLS):
            self._round()
        for contestant in self._contestants:
            contestant.waits = contestant.late_turns >= _WARM_UP_CALLS - 1
        self._choose_calls(most_calls)
        while not self._try_calls():
            self._set_calls(max(1, self.calls // 4))
        deadline = time.monotonic() + budget_s
        while time.monotonic() < deadline:
            self._round()
            if len(target.event_ms) % 5 == 0 and self._precise_enough(target, against):
                break

    def _precise_enough(self, target: Contestant, against: Contestant) -> bool:
        """Stop when both the ratio and the comparison of the two clocks are sharp."""
        if not stats.precise_enough(against.event_ms, target.event_ms):
            return False
        trusted = [contestant for contestant in self._contestants if contestant.trusted]
        return audit.bound_ms(target, trusted) <= _AUDIT_TARGET * stats.median(target.event_ms)

    def _round(self) -> None:
        family = _random.choice(self._contestants[0].caller.dense)
        for place, contestant in enumerate(_random.sample(self._contestants, len(self._contestants))):
            try:
                self._turn(contestant, family, fresh=place == 0 or not contestant.trusted)
            except FaultRaised as raised:
                if contestant.trusted:
                    raise BaselineFailedError(contestant.role, raised.detail) from raised
                raise

    def _turn(self, contestant: Contestant, family: str, *, fresh: bool) -> None:
        """Time one contestant; a trusted one may get the contents that another had in this round."""
        runner = contestant.runner
        state = contestant.caller.renew(runner, contestant.key)
        hiding = Hiding(contestant.region, self.calls)
        batch = [
            contestant.caller.prepare(
                self._case, family, slot, write=hiding.writer(slot), fresh=fresh
            )._replace(state=state)
            for slot in range(self.calls)
        ]
        if not contestant.trusted:
            contestant.region.poison(runner.live)
        drawn = _random.sample(range(self.calls), min(self.calls, _SEALED_CALLS))
        self._draw_picks()
        messages = [prepared.message for prepared in batch]
        self._settle()
        runner.arm()
        reply = runner.timed_calls(contestant.key, messages, hiding.keys)
        sealed = [self._seal(self._outputs(contestant, reply.calls[call])) for call in drawn]
        torch.cuda.synchronize()
        end = time.monotonic_ns()
        contestant.caller.check_facts(runner.facts())
        contestant.late_turns += not runner.queued
        contestant.event_ms.append(sum(reply.ms) / self.calls)
        contestant.call_ms.append(list(reply.ms))
        contestant.rung_ms.append((runner.rung_ns - runner.shown_ns) / 1e6 / self.calls)
        contestant.sealed_ms.append((end - runner.rung_ns) / 1e6)
        if not contestant.trusted:
            self._check(contestant, batch, reply, dict(zip(drawn, sealed, strict=True)))

    def _outputs(self, contestant: Contestant, call: Any) -> list[torch.Tensor]:
        parsed = contestant.runner.parsed(call)
        contestant.caller.check_form(parsed, self._signature)
        return contestant.runner.tensors(parsed)

    def _seal(self, outputs: list[torch.Tensor]) -> list[torch.Tensor]:
        """Read scattered elements of an output at once, so that late work falls inside the judge's clock."""
        pairs = zip(outputs, self._picks, strict=True)
        return [out[picks] if picks else out.reshape(1).clone() for out, picks in pairs if out.numel()]

    def _check(
        self, contestant: Contestant, batch: list[Prepared], reply: TimedReply,
        sealed: dict[int, list[torch.Tensor]],
    ) -> None:  # fmt: skip
        """Look at every call a little, and at some that are drawn now in full."""
        results = [self._outputs(contestant, call) for call in reply.calls]
        for call, outputs in enumerate(results):
            now = self._seal(outputs)
            for values in [*sealed.get(call, ()), *now]:
                if values.dtype.is_floating_point and bool(values.isnan().any()):
                    raise incorrect(
                        "not_finite", "sampled elements of a timed call's output were never written"
                    )
            if call in sealed and not all(map(same_bits, sealed[call], now)):
                raise rejected("tampering", "an output changed after the clock had stopped", "seal")
        in_full = _random.random() < _FULL_SHARE
        if not in_full and not contestant.caller.looks_quickly and _random.random() >= _CHECK_SHARE:
            return
        index = _random.randrange(len(batch))
        self.verify(contestant, batch[index], results[index], in_full=in_full)

    def verify(
        self, contestant: Contestant, prepared: Prepared, outputs: list[torch.Tensor], *, in_full: bool
    ) -> None:
        """Check the outputs of a timed call, every element or blocks all over, and its inputs."""
        from eval.judge.compare import explain

        contestant.caller.check_inputs(prepared)
        worst = contestant.caller.check_values(self._case, prepared, outputs, in_full=in_full)
        self.checked += 1
        if worst is not None:
            reason: IncorrectReason = "values" if worst.finite else "not_finite"
            raise incorrect(
                reason, f"a timed call at full size, {prepared.family} contents: {explain(worst)}"
            )

    def _settle(self) -> None:
        self._flush.fill_(secrets.randbits(8))
        torch.cuda.synchronize()

    def _draw_picks(self) -> None:
        """Draw, before the clock starts, which elements will be read the moment an output is there."""
        self._picks = [
            tuple(torch.randint(max(size, 1), (_SEAL_ELEMENTS,), device="cuda") for size in shape)
            for shape in self._signature.shapes
        ]
