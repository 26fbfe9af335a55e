"""Time candidate and baselines in turn, each in its runner, with fresh contents in every call.

Two clocks: events in the runner, and the judge's own from the doorbell until it holds the output.
Which outputs are checked in full is drawn after the call.
"""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any

import torch

from eval.judge import stats
from eval.judge.contents import DENSE
from eval.judge.faults import FaultRaised, JudgeError, failed, incorrect

if TYPE_CHECKING:
    from eval.judge.calls import Caller
    from eval.judge.reference import CaseReference, Signature
    from eval.judge.regions import Region
    from eval.judge.runner import Runner
    from eval.records import IncorrectReason

LEAD_CYCLES = 500_000
"""Spin in front of the first event, about 0.3 ms: longer than a forward takes to queue its kernels."""
_NULL_CALLS = 9
_WARM_UP_CALLS = 3
_CHECK_SHARE = 0.15
_SEAL_ELEMENTS = 4096
_random = secrets.SystemRandom()


class Contestant:
    """One runner that takes its turns: the candidate or a baseline."""

    def __init__(
        self, role: str, runner: Runner, region: Region, caller: Caller, key: str, *, trusted: bool
    ) -> None:
        self.role, self.runner, self.region, self.caller, self.key = role, runner, region, caller, key
        self.trusted = trusted
        self.event_ms: list[float] = []
        self.sealed_ms: list[float] = []
        self.arrived_ms: list[float] = []

    def clear(self) -> None:
        """Forget the samples of an earlier session."""
        self.event_ms, self.sealed_ms, self.arrived_ms = [], [], []


class TimingSession:
    """Measures a set of contestants on one case."""

    def __init__(self, case: CaseReference, signature: Signature, contestants: list[Contestant]) -> None:
        self._case, self._signature, self._contestants = case, signature, contestants
        properties = torch.cuda.get_device_properties(0)
        self._flush = torch.empty(2 * properties.L2_cache_size, dtype=torch.uint8, device="cuda")
        self._picks: list[tuple[torch.Tensor, ...]] = []
        self.null_ms = 0.0
        self.null_spread_ms = 0.0
        self.event_null_ms = 0.0
        self.checked = 0

    def calibrate(self) -> None:
        """Measure what the exchange itself costs, on a trusted runner that calls nothing."""
        trusted = next(c for c in self._contestants if c.trusted)
        waits, events = [], []
        for _ in range(_NULL_CALLS):
            trusted.runner.arm()
            self._settle()
            start = time.monotonic_ns()
            events.append(trusted.runner.null_call(LEAD_CYCLES))
            waits.append((trusted.runner.arrived_ns - start) / 1e6)
        self.null_ms, self.null_spread_ms = stats.median(waits), stats.spread(waits)
        self.event_null_ms = min(events)

    def run(self, target: Contestant, against: Contestant, budget_s: float) -> None:
        """Take turns until the ratio of `against` to `target` is precise enough or the budget ends.

        Raises:
            FaultRaised: the candidate failed or an output was wrong.
            JudgeError: a baseline failed.

        """
        for _ in range(_WARM_UP_CALLS):
            self._round(record=False)
        self.calibrate()
        deadline = time.monotonic() + budget_s
        while time.monotonic() < deadline:
            self._round(record=True)
            if len(target.event_ms) % 5 == 0 and stats.precise_enough(against.event_ms, target.event_ms):
                break

    def _round(self, *, record: bool) -> None:
        family = _random.choice(list(DENSE))
        for contestant in _random.sample(self._contestants, len(self._contestants)):
            try:
                self._turn(contestant, family, record=record)
            except FaultRaised as raised:
                if contestant.trusted:
                    raise JudgeError(f"baseline {contestant.role}: {raised.detail}") from raised
                raise

    def _turn(self, contestant: Contestant, family: str, *, record: bool) -> None:
        prepared = contestant.caller.prepare(self._case, family)
        contestant.region.poison(contestant.runner.live)
        self._draw_picks()
        contestant.runner.arm()
        self._settle()
        start = time.monotonic_ns()
        reply = contestant.runner.call(contestant.key, prepared.message, lead_cycles=LEAD_CYCLES, spin=True)
        arrived = contestant.runner.arrived_ns
        contestant.caller.check_form(reply, self._signature)
        outputs = contestant.runner.tensors(reply)
        sealed = [_seal(*pair) for pair in zip(outputs, self._picks, strict=True) if pair[0].numel()]
        torch.cuda.synchronize()
        end = time.monotonic_ns()
        contestant.caller.check_facts(contestant.runner.facts())
        if reply.ms is None or not 0 <= reply.ms < float("inf"):
            raise failed("run", "no time came back from the call")
        if record:
            contestant.event_ms.append(reply.ms)
            contestant.sealed_ms.append((end - start) / 1e6)
            contestant.arrived_ms.append((arrived - start) / 1e6)
        if contestant.trusted:
            return
        unwritten = sum(int(values.isnan().sum()) for values in sealed if values.dtype.is_floating_point)
        if unwritten:
            raise incorrect(
                "not_finite", f"{unwritten} of {_SEAL_ELEMENTS} sampled elements were never written"
            )
        if not record or _random.random() < _CHECK_SHARE or len(contestant.event_ms) == 1:
            self.verify(contestant, prepared, outputs)

    def verify(self, contestant: Contestant, prepared: Any, outputs: list[torch.Tensor]) -> None:
        """Check every element of a timed call's outputs, and that the inputs are untouched."""
        from eval.judge.compare import explain

        contestant.caller.check_inputs(prepared)
        worst = contestant.caller.check_values(self._case, prepared, outputs)
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


def _seal(output: torch.Tensor, picks: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """Read scattered elements of an output at once, so that late work falls inside the judge's clock."""
    return output[picks] if picks else output.reshape(1)
