"""Takes questions while there is room, and keeps the answers of those who come back for them."""

from __future__ import annotations

import math
import queue
import secrets
import threading
from collections import OrderedDict
from concurrent.futures import Future
from typing import NamedTuple

from eval import JudgeFailedError, Verdict
from harness.executors import JudgePool
from harness.judge_server.desk import Desk, Prepared
from harness.judge_server.records import Question, TicketState, TicketView

_KEPT = 1000
_MOST_SECONDS = 600


class FullError(Exception):
    """There is no room; `retry_after_s` says when to ask again."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"the queue is full; ask again in {retry_after_s} s")
        self.retry_after_s = retry_after_s


class Ticket(NamedTuple):
    """A question that was taken."""

    id: str
    prepared: Prepared
    future: Future[Verdict]

    def view(self) -> TicketView:
        """Return how far it is."""
        if not self.future.done():
            state: TicketState = "judging" if self.future.running() else "waiting"
            return TicketView(id=self.id, state=state)
        if self.future.cancelled():
            return TicketView(id=self.id, state="cancelled")
        error = self.future.exception()
        if error is not None:
            said = str(error) if isinstance(error, JudgeFailedError) else f"{type(error).__name__}: {error}"
            return TicketView(id=self.id, state="error", error=said)
        return TicketView(id=self.id, state="done", answer=self.prepared.answered(self.future.result()))


class Office:
    """Threads may share it."""

    def __init__(self, desk: Desk, pool: JudgePool, kept: int = _KEPT) -> None:
        """`kept` is how many answered jobs can still be asked for."""
        self._desk, self._pool, self._kept = desk, pool, kept
        self._tickets: OrderedDict[str, Ticket] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, question: Question, *, keep: bool) -> Ticket:
        """Take a question; with `keep` it can be asked for by its id.

        Raises:
            FullError: the queue is full.
            UsageError: the question cannot be judged.

        """
        if self._pool.held >= self._pool.bound:
            raise FullError(self._retry_after_s())
        prepared = self._desk.prepare(question)
        ticket = Ticket(secrets.token_hex(12), prepared, self._future(prepared))
        if keep:
            with self._lock:
                self._tickets[ticket.id] = ticket
                self._forget()
        return ticket

    def _future(self, prepared: Prepared) -> Future[Verdict]:
        if prepared.job is None:
            known: Future[Verdict] = Future()
            assert prepared.verdict is not None
            known.set_result(prepared.verdict)
            return known
        try:
            return self._pool.submit(prepared.job, block=False)
        except queue.Full:
            raise FullError(self._retry_after_s()) from None

    def _forget(self) -> None:
        done = [name for name, ticket in self._tickets.items() if ticket.future.done()]
        for name in done[: max(0, len(done) - self._kept)]:
            del self._tickets[name]

    def find(self, ticket_id: str) -> Ticket | None:
        """Return a job that was kept, or None."""
        return self._tickets.get(ticket_id)

    def _retry_after_s(self) -> int:
        """Return about how long it takes until one place is free, in seconds."""
        states = self._pool.states()
        judged = sum(state.judged for state in states)
        mean_s = sum(state.busy_s for state in states) / judged if judged else 1.0
        return min(_MOST_SECONDS, max(1, math.ceil(mean_s / self._pool.slots)))

    def status(self) -> dict[str, object]:
        """Return how busy the slots are."""
        states = self._pool.states()
        return {
            "status": "stopped" if all(state.stage == "stopped" for state in states) else "ok",
            "held": self._pool.held, "bound": self._pool.bound,
            "slots": [state.model_dump(mode="json") for state in states],
        }  # fmt: skip

    @property
    def problems(self) -> tuple[str, ...]:
        """Names of the problems that may be asked for."""
        return self._desk.problems

    def problem_of(self, reference: str) -> str:
        """Return the name of the problem with this reference; raise `UnknownProblemError` without one."""
        return self._desk.problem_of(reference)
