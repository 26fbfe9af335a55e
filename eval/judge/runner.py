"""One runner as the judge sees it: requests go out, checked answers or a fault come back."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeVar

from pydantic import ConfigDict, Field, ValidationError

from eval import protocol
from eval.judge.faults import JudgeError, failed, rejected
from eval.judge.processes import Zygote, clean_environment, kill_tree, resident_bytes
from eval.plain import encode
from eval.records import FailedPhase, Limits, Record
from eval.runner.sandbox import SandboxPolicy
from eval.tensors import TensorDesc, parse_desc

if TYPE_CHECKING:
    import torch

    from eval.judge.regions import Region

_READY_SECONDS = 120.0
_SLICE_SECONDS = 0.25
_FILE_BYTES = 1 << 28
_OPEN_FILES = 1024
_KILLED = -9
_EXIT_SECONDS = 10.0

Text = Annotated[str, Field(max_length=8000)]
Count = Annotated[int, Field(ge=0, le=10**9)]


class _Reply(Record):
    """What a runner may say; anything else is a protocol error."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ErrorReply(_Reply):
    """An exception of the candidate."""

    phase: FailedPhase
    type: Text
    message: Text
    line: int | None


class CallReply(_Reply):
    """What came out of one call of `forward`."""

    structure: Text
    types: list[Text] = Field(max_length=64)
    outputs: list[dict[str, Any]] = Field(max_length=64)
    too_large: bool
    ms: float | None


class OneCall(_Reply):
    """What came out of one of several timed calls."""

    structure: Text
    types: list[Text] = Field(max_length=64)
    outputs: list[dict[str, Any]] = Field(max_length=64)
    too_large: bool


class TimedReply(NamedTuple):
    """What came out of several calls, yet to be parsed, and how long the events say that each took."""

    calls: list[Any]
    ms: list[float]


class Facts(_Reply):
    """What a runner says about its last call, for reports and for finding mistakes."""

    aliases_input: bool
    aliases_earlier: bool
    launched: dict[Text, Count]
    configs: dict[Text, Count]
    operators: dict[Text, Count] | None
    live: list[list[int]] = Field(max_length=400)


R = TypeVar("R", bound=_Reply)


class Runner:
    """A process that has loaded one piece of code."""

    def __init__(
        self, zygote: Zygote, region: Region, limits: Limits, *, hidden: tuple[str, ...], cuda: bool
    ) -> None:
        self._zygote, self._region, self._limits, self._cuda = zygote, region, limits, cuda
        self._folder = zygote.new_folder()
        self.live: list[tuple[int, int]] = []
        self.rung_ns = 0
        """When the runner last said that timed work was done, by the judge's monotonic clock."""
        self._deadline = time.monotonic() + limits.seconds
        policy = SandboxPolicy(
            scratch=str(self._folder), hidden=hidden, cuda=cuda,
            host_memory_bytes=int(limits.host_memory_gb * 1e9), cpu_seconds=int(limits.seconds) * 4,
            max_file_bytes=_FILE_BYTES, max_open_files=_OPEN_FILES,
        )  # fmt: skip
        self._channel, theirs = protocol.pair()
        message = {
            "policy": policy.model_dump(mode="json"),
            "env": self._environment(),
            "memory": {"size_bytes": region.size_bytes, "split": region.split},
        }
        memory_fd = region.export_fd()
        with (self._folder / "output").open("wb") as output:
            self.pid = zygote.fork(message, [theirs.fileno(), memory_fd, output.fileno()])
        os.close(memory_fd)
        theirs.close()
        self._await_ready()

    def _environment(self) -> dict[str, str]:
        env = clean_environment(self._folder, cuda=self._cuda)
        folder = str(self._folder)
        env |= {
            "TRITON_CACHE_DIR": folder + "/triton", "TORCHINDUCTOR_CACHE_DIR": folder + "/inductor",
            "CUDA_CACHE_PATH": folder + "/cuda", "XDG_CACHE_HOME": folder + "/cache",
        }  # fmt: skip
        return env

    def _await_ready(self) -> None:
        try:
            reply = self._channel.receive(_READY_SECONDS)
        except (protocol.ChannelClosedError, protocol.ChannelTimeoutError) as error:
            text = self.output()
            self.kill()
            raise JudgeError(f"a runner did not start: {text or error}") from error
        self.sandbox: tuple[str, ...] = tuple(reply["active"])
        self.sandbox_missing: tuple[str, ...] = tuple(reply["missing"])

    def load(self, code: str, class_name: str, *, compiled: bool = False) -> None:
        """Execute `code` in the runner; `compiled` wraps its instances in `torch.compile`."""
        self._ask({"op": "load", "class": class_name, "compile": compiled, **self._hand_over(code)})

    def _hand_over(self, code: str) -> dict[str, Any]:
        path = self._folder / "source.py"
        path.write_text(code, encoding="utf-8")
        return {"path": str(path)}

    def instance(
        self, key: str, init: list[Any], *, seed: int | None = None, dtype: str | None = None
    ) -> None:
        """Construct the class with `init`; later calls name it by `key`."""
        self._ask({"op": "instance", "key": key, "init": encode(init), "seed": seed, "dtype": dtype})

    def call(
        self, key: str, inputs: list[dict[str, Any]], *, forced: int | None = None, hold: bool = False,
        suppress: bool = False, guard: bool = False, lead_cycles: int = 0, spin: bool = False,
    ) -> CallReply:  # fmt: skip
        """Call an instance once.

        Raises:
            FaultRaised: it raised, died, took too long, or answered with something else.

        """
        raw = self._ask(
            {
                "op": "call", "key": key, "inputs": inputs, "forced": forced, "hold": hold,
                "suppress": suppress, "guard": guard, "lead_cycles": lead_cycles,
            },
            spin=spin,
        )  # fmt: skip
        return self._parse(CallReply, raw)

    def timed_calls(self, key: str, batch: list[list[dict[str, Any]]], lead_cycles: int) -> TimedReply:
        """Call an instance once on each of the inputs in `batch`; `rung_ns` is when it said it was done.

        Raises:
            FaultRaised: as `call`; or not as many answers or times as calls came back.

        """
        message = {"op": "timed", "key": key, "batch": batch, "lead_cycles": lead_cycles}
        raw = self._ask(message, spin=True, rings=True)
        calls, times = raw.get("calls"), raw.get("ms")
        if not isinstance(calls, list) or not isinstance(times, list):
            raise rejected("tampering", "a malformed answer to timed calls", "protocol")
        right_times = all(type(ms) is float and 0 <= ms < float("inf") for ms in times)
        if len(calls) != len(batch) or len(times) != len(batch) or not right_times:
            raise rejected("tampering", "not one answer and one time for each call", "protocol")
        return TimedReply(calls, times)

    def parsed(self, call: Any) -> OneCall:
        """Read what came of one timed call.

        Raises:
            FaultRaised: it is not what a runner says.

        """
        return self._parse(OneCall, call)

    def facts(self) -> Facts:
        """Ask for the rest about the last call.

        Raises:
            FaultRaised: as `call`.

        """
        facts = self._parse(Facts, self._ask({"op": "facts"}))
        self.live = [(block[0], block[1]) for block in facts.live if len(block) == 2]  # noqa: PLR2004
        return facts

    def arm(self) -> None:
        """Let the runner poll for its next request, so that waking it up is not in the clock."""
        self._ask({"op": "arm"})

    def null_calls(self, count: int, lead_cycles: int) -> list[float]:
        """Do everything that `count` timed calls do but the calls; return the event times in ms."""
        message = {"op": "null", "count": count, "lead_cycles": lead_cycles}
        return list(self._ask(message, spin=True, rings=True)["ms"])

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
            return [parse_desc(raw, self._region.size_bytes) for raw in reply.outputs]
        except ValueError as error:
            raise rejected("tampering", f"an output is not where it must be: {error}", "protocol") from None

    def _parse(self, model: type[R], raw: dict[str, Any]) -> R:
        try:
            return model.model_validate(raw)
        except ValidationError as error:
            raise rejected(
                "tampering", f"a malformed answer: {error.errors()[0]['loc']}", "protocol"
            ) from None

    def _ask(self, message: dict[str, Any], *, spin: bool = False, rings: bool = False) -> dict[str, Any]:
        nonce = protocol.new_nonce()
        try:
            self._channel.send({**message, "nonce": nonce})
            raw = self._wait(spin=spin)
            if rings and not raw:
                self.rung_ns = self._channel.arrived_ns
                raw = self._wait(spin=spin)
        except protocol.ChannelClosedError:
            raise self._died() from None
        except protocol.ProtocolError as error:
            self.kill()
            raise rejected("tampering", f"a malformed answer: {error}", "protocol") from None
        if raw.pop("nonce", None) != nonce:
            self.kill()
            raise rejected("tampering", "an answer that was not asked for", "nonce")
        if "error" in raw:
            self._raise(raw["error"])
        return raw

    def _wait(self, *, spin: bool) -> dict[str, Any]:
        start = time.monotonic()
        deadline = min(self._deadline, start + self._limits.call_seconds)
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                self.kill()
                raise failed("timeout", f"no answer within {time.monotonic() - start:.0f} s")
            try:
                return self._channel.receive(min(left, _SLICE_SECONDS), spin=spin)
            except protocol.ChannelTimeoutError:
                self._check_memory()

    def _check_memory(self) -> None:
        used = resident_bytes(self.pid)
        if used > self._limits.host_memory_gb * 1e9:
            self.kill()
            raise failed(
                "memory", f"{used / 1e9:.1f} GB of host memory, {self._limits.host_memory_gb:g} allowed"
            )

    def _raise(self, raw: Any) -> None:
        try:
            error = ErrorReply.model_validate(raw)
        except ValidationError:
            raise rejected("tampering", "a malformed error", "protocol") from None
        where = f" (line {error.line})" if error.line else ""
        raise failed(error.phase, f"{error.type}: {error.message}{where}"[:4000])

    def _died(self) -> Exception:
        status = self._zygote.exit_status(self.pid, 5.0)
        self.kill()
        if status == _KILLED:
            return failed("memory", "the process was killed, most likely for the memory it took")
        how = f"by signal {-status}" if status is not None and status < 0 else f"with exit code {status}"
        return failed("crash", f"the process ended {how} in the middle of a request")

    def output(self) -> str:
        """Return what it printed, cut to the limit."""
        with contextlib.suppress(OSError), (self._folder / "output").open("rb") as file:
            return file.read(self._limits.output_bytes).decode("utf-8", "replace")
        return ""

    def alive(self) -> bool:
        """Tell whether the process runs."""
        return self._zygote.exit_status(self.pid, 0.0) is None

    def kill(self) -> None:
        """End the process and everything it started."""
        kill_tree(self.pid)
        self._channel.close()
        self._zygote.exit_status(self.pid, _EXIT_SECONDS)
