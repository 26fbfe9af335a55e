"""What contestants work on in their turns: contents of one kind for some rounds."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, NamedTuple

import torch

from eval.judge.hiding import OPEN_KEY, Hiding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eval.judge.calls import Prepared
    from eval.judge.contestant import Contestant
    from eval.judge.model import Tensors
    from eval.judge.reference import CaseReference
    from eval.tensors import TensorDesc

_ROUNDS_A_FAMILY = 5
"""So many rounds the contents are of one kind, and those of trusted runners stay as they are."""
_random = secrets.SystemRandom()


class Cover(NamedTuple):
    """Under what the inputs of one turn are hidden, a key for each call."""

    keys: list[bytes]
    hiding: Hiding | None
    """None where nothing is hidden."""
    state: Tensors | None
    """Weights that the calls find."""


class TurnInputs:
    """Belongs to one session."""

    def __init__(self, case: CaseReference, contestants: Sequence[Contestant]) -> None:
        self._case, self._dense = case, contestants[0].caller.dense
        self._rounds, self._family = 0, ""
        self._contents = self._filled = object()
        """Stand for contents of one kind and number of calls: of this round, and made last."""
        self.apart = len({id(contestant.region) for contestant in contestants}) == len(contestants)
        """Whether each contestant has memory of its own."""

    def restart(self) -> None:
        """Begin with new contents: the number of calls is another."""
        self._rounds = 0

    def next_round(self) -> None:
        """Count a round, and change the kind of contents after some."""
        if self._rounds % _ROUNDS_A_FAMILY == 0:
            self._family, self._contents = _random.choice(self._dense), object()
        self._rounds += 1

    def cover(self, contestant: Contestant, calls: int) -> Cover:
        """Make ready for a turn of `calls` that is not asked for yet: nothing of an earlier one is left."""
        state = contestant.caller.renew(contestant.runner, contestant.key)
        if contestant.trusted:
            return Cover([OPEN_KEY] * calls, None, state)
        hiding = Hiding(contestant.region, calls)
        contestant.region.poison(contestant.runner.live)
        torch.cuda.synchronize()
        return Cover(hiding.keys, hiding, state)

    def write(self, contestant: Contestant, cover: Cover) -> list[Prepared]:
        """Write what the turn is about.

        The candidate gets fresh contents, hidden. A trusted runner may get those that another had last, and
        none where it holds contents of this kind.
        """
        trusted = cover.hiding is None
        written = trusted and contestant.holds is self._contents and self.apart
        fresh = not trusted or self._filled is not self._contents
        batch = []
        for call in range(len(cover.keys)):
            write = cover.hiding.writer(call) if cover.hiding is not None else _leave if written else None
            prepared = contestant.caller.prepare(self._case, self._family, call, write=write, fresh=fresh)
            batch.append(prepared._replace(state=cover.state))
        self._filled = self._contents
        if trusted:
            contestant.holds = self._contents
        return batch


def _leave(_number: int, _desc: TensorDesc, _contents: torch.Tensor) -> None:
    """Write nothing: the contents are there."""
