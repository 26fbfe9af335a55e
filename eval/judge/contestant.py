"""One runner that takes its turns in a timing session, and what was seen of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from eval.judge import stats

if TYPE_CHECKING:
    from eval.judge.calls import Caller
    from eval.judge.regions import Region
    from eval.judge.runner import Runner
    from eval.tensors import TensorDesc

SAMPLES_A_TURN = 2
"""Of a turn of several calls: those of one are as independent as those of several (docs/timing.md)."""
_random = np.random.default_rng()


class Contestant:
    """The candidate or a baseline."""

    def __init__(
        self, role: str, runner: Runner, region: Region, caller: Caller, key: str, *, trusted: bool
    ) -> None:
        self.role, self.runner, self.region, self.caller, self.key = role, runner, region, caller, key
        self.trusted = trusted
        self.calls = 1
        """Calls in one turn."""
        self.waits: bool | None = None
        """Whether its calls cannot be queued ahead, since they wait for results of their own or are of very
        many launches: then it is charged all that the judge's clock finds. None until it has warmed up."""
        self.late_turns = 0
        """Turns whose work was not queued when its inputs were shown."""
        self.usual_ms: tuple[float, float] | None = None
        """What a call took alone when it had warmed up, by its events and by the judge's clock."""
        self.holds: object = None
        """What stands for the contents that lie in a trusted runner's region."""
        self.asked: list[list[dict[str, Any]]] = []
        """The inputs that its calls were last asked for with, which it knows."""
        self.told: tuple[list[Any], list[list[TensorDesc]]] = [], []
        """What it said last of its outputs, and where they lie by that: mostly it says the same again."""
        self.launched: set[tuple[int, frozenset[tuple[str, int]]]] = set()
        """How often it launched each kernel in a turn of so many calls, each kind of turn once."""
        self.event_ms: list[float] = []
        """Mean over the calls of a turn of what the runner's events say, by turn: the judge's clock knows no
        calls."""
        self._parts_ms: list[float] = []
        """Means over parts of each turn's calls."""
        self.call_ms: list[list[float]] = []
        """What they say of each call, by turn; the inputs of the n-th lie in the same place in each turn."""
        self.done_ms: list[float] = []
        """Time by the judge's clock from the first inputs shown until the runner's GPU said that all was
        done, over the number of calls, by turn."""
        self.sealed_ms: list[float] = []
        """Time from then until the judge had read from outputs, by turn."""

    @property
    def keeps_weights(self) -> bool:
        """Tell whether its runner is given weights before each turn."""
        return self.key in self.runner.weights

    def record(self, call_ms: list[float]) -> None:
        """Take down what the runner's events say of each call of a turn."""
        self.call_ms.append(call_ms)
        self.event_ms.append(sum(call_ms) / len(call_ms))
        mixed = _random.permutation(call_ms)
        parts = min(SAMPLES_A_TURN, len(call_ms))
        self._parts_ms += [float(mixed[part::parts].mean()) for part in range(parts)]

    @property
    def samples_ms(self) -> list[float]:
        """Two means a turn, each over half of its calls as they were drawn, or the time of the only one.

        Their median is not below that of `event_ms`, which the judge's clock is compared with: else a runner
        could deal its times out so that most samples are short and the middle turn is not.
        """
        if not self._parts_ms:
            return []
        below = max(0.0, stats.median(self.event_ms) - stats.median(self._parts_ms))
        return [ms + below for ms in self._parts_ms]

    def clear(self) -> None:
        """Forget the samples of an earlier session."""
        self.event_ms, self.call_ms, self.done_ms, self.sealed_ms = [], [], [], []
        self._parts_ms = []
