"""Talking with one runner: every question has an answer in time, or a fault that says what went wrong."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from eval import protocol
from eval.judge import baton
from eval.judge.answers import Answer, ErrorReply
from eval.judge.faults import FaultRaised, JudgeError, failed, rejected

if TYPE_CHECKING:
    from eval.judge.contained import Contained
    from eval.records import Limits

_DETAIL_CHARS = 4000

R = TypeVar("R", bound=Answer)


class Conversation:
    """A process and what is said to it; after what ends the process there is only that fault."""

    def __init__(self, process: Contained, limits: Limits) -> None:
        self._process, self._limits = process, limits
        self._fault: FaultRaised | None = None
        self._deadline = self._answer_deadline = 0.0

    def enter(self) -> None:
        """Wait until the process is inside its walls; its time counts from the last call of this.

        Raises:
            BrokenJudgeError: it did not get there.

        """
        self._process.enter()
        self._deadline = time.monotonic() + self._limits.seconds

    def rested(self, seconds: float) -> None:
        """Let its time end so much later: it was asked for nothing meanwhile."""
        self._deadline += seconds

    @property
    def pid(self) -> int:
        """The process, as the judge numbers it."""
        return self._process.pid

    @property
    def sandbox(self) -> tuple[str, ...]:
        """Levels of isolation that hold."""
        return self._process.report.active

    @property
    def sandbox_missing(self) -> tuple[str, ...]:
        """Levels of isolation that this machine does not give."""
        return self._process.report.missing

    def _ask(self, message: dict[str, Any]) -> dict[str, Any]:
        return self.answer(self.question(message))

    def question(self, message: dict[str, Any]) -> str:
        """Send a request, and return the nonce that each `answer` to it bears.

        Raises:
            FaultRaised: it is gone, or does not read it in time.

        """
        nonce = protocol.new_nonce()
        with self._listening():
            self._answer_deadline = time.monotonic() + self._seconds_left()
            self._send({**message, "nonce": nonce})
        return nonce

    def begin_waiting(self) -> None:
        """Let the time for its answers begin now: it was asked ahead of its turn."""
        self._answer_deadline = time.monotonic() + self._seconds_left()

    def answer(self, nonce: str) -> dict[str, Any]:
        """Wait for an answer to the request that has this nonce.

        Raises:
            FaultRaised: it raised, died, took too long, or answered with something else.

        """
        with self._listening():
            raw = self._wait()
            if raw.pop("nonce", None) != nonce:
                raise self._tampering("an answer that was not asked for", defence="nonce")
            if "error" in raw:
                raise self._as_fault(raw["error"])
            return raw

    def speaks(self) -> bool:
        """Tell whether it has answered, or is gone, without waiting.

        Raises:
            FaultRaised: its time is up, or it uses more than it may.

        """
        with self._listening():
            if time.monotonic() > self._answer_deadline:
                raise protocol.ChannelTimeoutError
            return self._process.speaks()

    @contextlib.contextmanager
    def _listening(self) -> Iterator[None]:
        """Make a fault of what goes wrong; after the first one that ends the process there is only that."""
        if self._fault is not None:
            raise self._fault
        try:
            with self._fault_of_the_channel():
                yield
        except FaultRaised as raised:
            if not self._process.alive():
                self._fault = raised
            raise

    @contextlib.contextmanager
    def _fault_of_the_channel(self) -> Iterator[None]:
        try:
            yield
        except protocol.ChannelTimeoutError:
            raise self._too_late() from None
        except protocol.ChannelClosedError:
            raise self._process.death() from None
        except protocol.ProtocolError as error:
            raise self._tampering(f"a malformed answer: {error}") from None

    def _send(self, message: dict[str, Any]) -> None:
        try:
            self._process.channel.send(message, timeout_s=self._seconds_left())
        except protocol.ProtocolError as error:
            raise JudgeError(f"a question that is too long for a runner: {error}") from error

    def _seconds_left(self) -> float:
        return max(0.0, min(self._deadline - time.monotonic(), self._limits.call_seconds))

    def _wait(self) -> dict[str, Any]:
        while True:
            left = self._answer_deadline - time.monotonic()
            if left <= 0:
                raise protocol.ChannelTimeoutError
            before_s = baton.waited_s()
            answer = self._process.wait(left)
            lost_s = baton.waited_s() - before_s
            self._deadline += lost_s
            self._answer_deadline += lost_s
            if answer is not None:
                return answer

    def _too_late(self) -> FaultRaised:
        self.kill()
        if time.monotonic() >= self._deadline:
            return failed("timeout", f"the {self._limits.seconds:g} s for everything were used up")
        return failed("timeout", f"no answer within {self._limits.call_seconds:g} s")

    def _tampering(self, detail: str, defence: str = "protocol") -> FaultRaised:
        self.kill()
        return rejected("tampering", detail, defence)

    def _as_fault(self, raw: Any) -> FaultRaised:
        try:
            error = ErrorReply.model_validate(raw)
        except ValidationError:
            return self._tampering("a malformed error")
        where = f" (line {error.line})" if error.line else ""
        return failed(error.phase, f"{error.type}: {error.message}{where}"[:_DETAIL_CHARS])

    def _parse(self, model: type[R], raw: Any) -> R:
        try:
            return model.model_validate(raw)
        except ValidationError as error:
            where = str(error.errors()[0]["loc"])[:100]
            raise self._tampering(f"a malformed answer at {where}") from None

    def output(self) -> str:
        """Return what it printed, cut to the limit."""
        self._process.printed.drain()
        return self._process.printed.text()

    def alive(self) -> bool:
        """Tell whether the process runs."""
        return self._process.alive()

    def gone(self) -> bool:
        """Tell whether nothing is left of a process that was ended, without waiting."""
        return self._process.gone()

    def interrupt(self) -> None:
        """End the process while another thread may be waiting for its answer: that hears of its death."""
        self._process.interrupt()

    def kill(self) -> None:
        """End the process and everything that it started."""
        self._process.kill()

    def end(self) -> None:
        """Do the same, and leave it to `collect` to wait until it is gone."""
        self._process.end()

    def collect(self) -> None:
        """Wait until a process that was ended is gone."""
        self._process.collect()
