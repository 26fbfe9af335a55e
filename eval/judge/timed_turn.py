"""One turn of timed calls as the judge sees it: asked for, admitted, queued, shown its inputs, accounted for.

A runner says where its outputs will lie before it is shown any input, so that nothing of its own comes
between the end of its work and the judge's first look at them.
"""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from eval.judge.opening import Opening

if TYPE_CHECKING:
    from collections.abc import Callable

    from eval.judge.answers import Facts
    from eval.judge.runner import Runner


class TimedTurn:
    """A turn in progress; a runner that fails in it is ended: what it still has to say is for nobody."""

    def __init__(self, runner: Runner, message: dict[str, Any], keys: list[bytes]) -> None:
        """Ask for one call a key; the inputs, hidden under the keys, may be written until `admit`.

        The runner queues its work meanwhile, none of which begins before that.

        Raises:
            FaultRaised: as `Runner.call`, here and in what follows.

        """
        self._runner, self._count = runner, len(keys)
        self._opening = Opening(runner.gate, keys, runner.speaks)
        self._nonce = runner.question(message)
        self._calls: list[Any] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._opening.abandon()
            self._runner.end()

    def admit(self) -> None:
        """Let the GPU turn to what the runner queues: nothing of it has begun."""
        self._runner.begin_waiting()
        self._opening.admit()

    def queue(self) -> list[Any] | None:
        """Wait until all is queued, and return what is said of each call's outputs.

        None where that is not known yet, since work waits for results of its own.
        """
        self._opening.wait()
        if self._opening.queued or self._runner.speaks():
            self._calls = self._runner.described(self._nonce, self._count)
            self._opening.wait()
        return self._calls

    def run(self, meanwhile: Callable[[], None] | None = None) -> list[Any]:
        """Show the inputs, wait for the end of all work, and return what is said of each call's outputs.

        `meanwhile` is as in `Opening.run`.
        """
        self._opening.run(meanwhile)
        if self._calls is None:
            self._calls = self._runner.described(self._nonce, self._count)
            self._opening.finish()
        return self._calls

    @property
    def queued(self) -> bool:
        """Tell whether all work was queued before its inputs were shown."""
        return self._opening.queued

    @property
    def watched(self) -> bool:
        """Tell whether the end was watched for: else nobody knows when it came."""
        return self._opening.watched

    @property
    def shown_ns(self) -> int:
        """When the first inputs were shown, by the judge's monotonic clock."""
        return self._opening.start_ns

    @property
    def done_ns(self) -> int:
        """When the runner's GPU was seen to have said that all is done, by the judge's monotonic clock."""
        return self._opening.done_ns

    def end(self) -> tuple[list[float], Facts]:
        """Return what the runner's events say of each call, in ms, and the rest that it says."""
        self._runner.begin_waiting()
        return self._runner.accounted(self._nonce, self._count, done=self._opening.done)
