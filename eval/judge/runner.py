"""One runner as the judge sees it: what it is asked, and what its answers must be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eval.judge.answers import CallReply, Facts, Made, Missing, OneCall, Seen
from eval.judge.contained import Contained
from eval.judge.conversation import Conversation
from eval.plain import encode
from eval.tensors import TensorDesc, parse_desc

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from eval.gate import Gate
    from eval.judge.processes import Zygote
    from eval.judge.regions import Region
    from eval.judge.weights import Weights
    from eval.records import Limits

__all__ = ["CallReply", "Facts", "OneCall", "Runner"]

_PIECE_CHARS = 4000
"""Of source text in one message: JSON needs up to twelve bytes for a character."""


class Runner(Conversation):
    """A process that has loaded one piece of code."""

    def __init__(
        self, zygote: Zygote, region: Region, limits: Limits, *, cuda: bool, wait: bool = True
    ) -> None:
        """Start the process; without `wait`, call `enter` before anything is asked of it."""
        super().__init__(Contained(zygote, region, limits, cuda=cuda), limits)
        self._region = region
        self.live: list[tuple[int, int]] = []
        """Blocks of memory, as offset and bytes, that it says hold something or have never been used."""
        self.weights: dict[str, Weights] = {}
        """What instances keep, by key; those without weights are not here."""
        if wait:
            self.enter()

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
        self, key: str, inputs: list[dict[str, Any]], *, meanwhile: Callable[[], None] | None = None,
        forced: int | None = None, hold: bool = False, suppress: bool = False, guard: bool = False,
    ) -> CallReply:  # fmt: skip
        """Call an instance once, its memory poisoned before; what is done `meanwhile` is no time of its.

        Raises:
            FaultRaised: it raised, died, took too long, or answered with something else.

        """
        nonce = self.question(
            {
                "op": "call", "key": key, "inputs": inputs, "forced": forced, "hold": hold,
                "suppress": suppress, "guard": guard,
            }
        )  # fmt: skip
        if meanwhile is not None:
            try:
                meanwhile()
            except BaseException:
                self.kill()  # else its answer would be taken for that to the next question
                raise
            self.begin_waiting()
        reply = self._parse(CallReply, self.answer(nonce))
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
