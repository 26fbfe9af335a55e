"""One runner as the judge sees it: requests go out, checked answers or a fault come back."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from eval import protocol
from eval.judge import baton
from eval.judge.answers import (
    Answer,
    CallReply,
    ErrorReply,
    Facts,
    Made,
    Missing,
    OneCall,
    Seen,
)
from eval.judge.contained import Contained
from eval.judge.faults import FaultRaised, JudgeError, failed, rejected
from eval.plain import encode
from eval.tensors import TensorDesc, parse_desc

if TYPE_CHECKING:
    import torch

    from eval.gate import Gate
    from eval.judge.processes import Zygote
    from eval.judge.regions import Region
    from eval.judge.weights import Weights
    from eval.records import Limits

__all__ = ["CallReply", "Facts", "OneCall", "Runner"]

_PIECE_CHARS = 4000
"""Of source text in one message: JSON needs up to twelve bytes for a character."""
_DETAIL_CHARS = 4000

R = TypeVar("R", bound=Answer)


class Runner:
    """A process that has loaded one piece of code."""

    def __init__(
        self, zygote: Zygote, region: Region, limits: Limits, *, cuda: bool, wait: bool = True
    ) -> None:
        """Start the process; without `wait`, call `enter` before anything is asked of it."""
        self._region, self._limits = region, limits
        self._fault: FaultRaised | None = None
        self._process = Contained(zygote, region, limits, cuda=cuda)
        self.live: list[tuple[int, int]] = []
        """Blocks of memory, as offset and bytes, that it says hold something or have never been used."""
        self.weights: dict[str, Weights] = {}
        """What instances keep, by key; those without weights are not here."""
        self._deadline = self._answer_deadline = 0.0
        if wait:
            self.enter()

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

    def load(self, code: str, class_name: str, *, compiled: bool = False, tf32: bool = False) -> None:
        """Execute `code` in the runner; `compiled` wraps its instances in `torch.compile`.

        `tf32` lets torch's own operators round float32 to it; nothing else does.
        """
        for start in range(0, len(code), _PIECE_CHARS):
            self._ask({"op": "source", "text": code[start : start + _PIECE_CHARS]})
        self._ask({"op": "load", "class": class_name, "compile": compiled, "tf32": tf32})

    def instance(
        self, key: str, init: list[Any], *, seed: int | None = None, dtype: str | None = None
    ) -> None:
        """Construct the class with `init`; later calls name it by `key`."""
        message = {"op": "instance", "key": key, "init": encode(init), "seed": seed, "dtype": dtype}
        made = self._parse(Made, self._ask(message))
        self.live = [(offset, size) for offset, size in made.live]

    def missing(self, key: str, wanted: list[dict[str, Any]]) -> list[int]:
        """Ask which of some tensors, each a name and a shape, an instance does not keep.

        Raises:
            FaultRaised: as `call`.

        """
        return list(self._parse(Missing, self._ask({"op": "lacks", "key": key, "wanted": wanted})).missing)

    def adopt(self, key: str, wanted: list[dict[str, Any]], by: str) -> list[int]:
        """Let what an instance keeps under other names stand for `wanted`: see `eval.state.State.adopt`.

        Raises:
            FaultRaised: as `call`.

        """
        message = {"op": "adopt", "key": key, "wanted": wanted, "by": by}
        return list(self._parse(Missing, self._ask(message)).missing)

    def write(self, key: str, name: str, start: int, values: dict[str, Any]) -> None:
        """Write values, described as they lie in shared memory, into a tensor that an instance keeps.

        Raises:
            FaultRaised: as `call`.

        """
        message = {"op": "state", "key": key, "name": name, "start": start, "values": values}
        self.live = [(offset, size) for offset, size in self._parse(Made, self._ask(message)).live]

    def call(
        self, key: str, inputs: list[dict[str, Any]], *, forced: int | None = None, hold: bool = False,
        suppress: bool = False, guard: bool = False,
    ) -> CallReply:  # fmt: skip
        """Call an instance once.

        Raises:
            FaultRaised: it raised, died, took too long, or answered with something else.

        """
        raw = self._ask(
            {
                "op": "call", "key": key, "inputs": inputs, "forced": forced, "hold": hold,
                "suppress": suppress, "guard": guard,
            }
        )  # fmt: skip
        reply = self._parse(CallReply, raw)
        self._note(reply.facts)
        return reply

    @property
    def gate(self) -> Gate:
        """Where a GPU's runner is shown the inputs of timed calls."""
        assert self._process.gate is not None
        return self._process.gate

    def described(self, nonce: str, count: int) -> list[Any]:
        """Receive what is said of the outputs of `count` timed calls, yet to be `parsed`.

        Raises:
            FaultRaised: as `call`; or it is not said of each call.

        """
        calls = self.answer(nonce).get("calls")
        if not isinstance(calls, list) or len(calls) != count:
            raise self._tampering("a malformed answer to timed calls")
        return calls

    def accounted(self, nonce: str, count: int, *, done: bool) -> tuple[list[float], Facts]:
        """Receive the event times of `count` timed calls, in ms, and the rest about them.

        `done` tells whether its GPU had said that all is done.

        Raises:
            FaultRaised: as `call`; or there is not one time for each call; or they came too early.

        """
        raw = self.answer(nonce)
        if not done:
            raise self._tampering("timed calls were accounted for before they were done")
        times = raw.get("ms")
        if not isinstance(times, list) or len(times) != count:
            raise self._tampering("not one time for each call")
        if not all(type(ms) is float and 0 <= ms < float("inf") for ms in times):
            raise self._tampering("a time that is none")
        facts = self._parse(Facts, raw.get("facts"))
        self._note(facts)
        return times, facts

    def parsed(self, call: Any) -> OneCall:
        """Read what came of one timed call.

        Raises:
            FaultRaised: it is not what a runner says.

        """
        return self._parse(OneCall, call)

    def _note(self, facts: Facts) -> None:
        self.live = [(offset, size) for offset, size in facts.live]

    def seen(self) -> Seen:
        """Ask which launches were interpreted.

        Raises:
            FaultRaised: as `call`.

        """
        return self._parse(Seen, self._ask({"op": "seen"}))

    def ask_plain(self, message: dict[str, Any]) -> dict[str, Any]:
        """Send a request whose answer is only shown, never believed."""
        return self._ask(message)

    def tensors(self, reply: CallReply | OneCall) -> list[torch.Tensor]:
        """Return the outputs where they lie, once their descriptions are known to be in range.

        Raises:
            FaultRaised: an output lies outside of what the judge can read.

        """
        return [self._region.tensor(desc) for desc in self.descriptions(reply)]

    def descriptions(self, reply: CallReply | OneCall) -> list[TensorDesc]:
        """Check where the outputs are said to lie."""
        try:
            return [parse_desc(raw.model_dump(), self._region.size_bytes) for raw in reply.outputs]
        except ValueError as error:
            raise self._tampering(f"an output is not where it must be: {error}") from None

    def _parse(self, model: type[R], raw: Any) -> R:
        try:
            return model.model_validate(raw)
        except ValidationError as error:
            where = str(error.errors()[0]["loc"])[:100]
            raise self._tampering(f"a malformed answer at {where}") from None

    def _ask(self, message: dict[str, Any]) -> dict[str, Any]:
        return self.answer(self.question(message))

    def question(self, message: dict[str, Any]) -> str:
        """Send a request, and return the nonce that each `answer` to it bears.

        Raises:
            FaultRaised: as `call`.

        """
        nonce = protocol.new_nonce()
        with self._listening():
            self._answer_deadline = time.monotonic() + self._seconds_left()
            self._send({**message, "nonce": nonce})
        return nonce

    def answer(self, nonce: str) -> dict[str, Any]:
        """Wait for an answer to the request that has this nonce.

        Raises:
            FaultRaised: as `call`.

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

    def output(self) -> str:
        """Return what it printed, cut to the limit."""
        self._process.printed.drain()
        return self._process.printed.text()

    def alive(self) -> bool:
        """Tell whether the process runs."""
        return self._process.alive()

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
