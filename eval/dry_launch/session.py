"""What a dry runner does with each request: pretend to be a GPU, load code, call it once, report.

It runs in the candidate's address space, so the judge believes it no more than any other runner.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext, suppress
from typing import TYPE_CHECKING, Any

import torch

from eval.dry_launch.ahead import AheadCapture
from eval.dry_launch.capture import Capture
from eval.dry_launch.fakes import FakeDevice, FakeDriver, NeedsDataError, install_device, random_contents
from eval.dry_launch.replay import replay
from eval.plain import decode
from eval.runner import cache_pack, warm_cuda
from eval.runner.load import describe, load_module
from eval.runner.seal import Seal, TamperedError

if TYPE_CHECKING:
    from pathlib import Path

    from eval.runner.memory import HostMemory

_MOST_FAILURES = 8
_MESSAGE_CHARS = 2500


def warm_up() -> None:
    """Do once, before runners are forked, what each would do in its first compilation."""
    warm_cuda.warm_key()
    x = torch.empty((3, 5), device="meta")
    with FakeDevice("meta"), torch.no_grad():
        torch.cat((torch.zeros_like(x.select(1, 0).unsqueeze(1)), x), dim=1)[:-1].movedim(1, 0).contiguous()


class DrySession:
    """One candidate, launched on a GPU that is not there."""

    def __init__(self, memory: HostMemory, scratch: Path) -> None:
        self._memory = memory
        self._path = scratch / "candidate.py"
        self._capture: Capture | AheadCapture = Capture(scratch, self._path)
        self._source: list[str] = []
        self._module: Any = None
        self._model: Any = None
        self._plain = False
        """Nothing claims to be a GPU: the candidate is called as in the interpreter."""

    def answer(self, message: dict[str, Any]) -> dict[str, Any]:
        """Answer one request; what the candidate raises becomes an ``error``."""
        operations = {
            "target": self._target, "source": self._take_source, "load": self._load, "launch": self._launch,
            "compile": self._compile, "cache": self._fill_cache, "replay": self._replay,
        }  # fmt: skip
        try:
            return operations[message["op"]](message)
        except BaseException as error:  # noqa: BLE001 - a candidate may raise anything, and it is a value
            return {"error": describe(error, "import", self._path, interpreted=False)}

    def _target(self, message: dict[str, Any]) -> dict[str, Any]:
        from triton.runtime import driver

        self._plain = message["plain"]
        if message.get("ahead"):
            self._capture = AheadCapture()
        if not self._plain:
            install_device(message["properties"])
        driver.set_active(FakeDriver(message["capability"], message["properties"]))
        self._capture.install()
        return {}

    def _take_source(self, message: dict[str, Any]) -> dict[str, Any]:
        self._source.append(message["text"])
        return {}

    def _load(self, message: dict[str, Any]) -> dict[str, Any]:
        self._seal = Seal()
        with self._seeming("meta"):
            module = load_module("".join(self._source), self._path, "candidate")
        self._module, self._model = module, getattr(module, message["class"])
        return {}

    def _replay(self, message: dict[str, Any]) -> dict[str, Any]:
        """Compile a launch that was seen elsewhere; `_launch` tells of what fails."""
        replay(self._module, message["launch"], message["constants"])
        return {}

    def _launch(self, message: dict[str, Any]) -> dict[str, Any]:
        failure = None
        if isinstance(self._capture, AheadCapture):
            self._capture.first_config = message["first_config"]
        try:
            self._call(message)
            self._seal.check()
        except BaseException as error:  # noqa: BLE001 - as in `answer`
            failure = self._described(error)
        failures = list(self._capture.failures[: _MOST_FAILURES - 1])
        if failure is not None and not failures:
            failures = [failure]
        return {
            "builds": self._capture.builds(),
            "failures": [{**one, "message": one["message"][:_MESSAGE_CHARS]} for one in failures],
            "launches": self._capture.launches,
        }

    def _compile(self, message: dict[str, Any]) -> dict[str, Any]:
        """Compile what was noted on all cases, and leave it in the shared memory as bytes."""
        assert isinstance(self._capture, AheadCapture)
        with torch.no_grad(), self._seeming("meta"):
            failed = self._capture.compile(message["workers"])
        data = cache_pack.pack(cache_pack.here(), min(self._memory.base.numel(), cache_pack.MOST_BYTES))
        self._memory.base[: len(data)].copy_(torch.frombuffer(bytearray(data), dtype=torch.uint8))
        return {"size": len(data), "keys": cache_pack.keys(cache_pack.here()), "failed": failed}

    def _fill_cache(self, message: dict[str, Any]) -> dict[str, Any]:
        return {"keys": cache_pack.received(self._memory.base, message["size"], cache_pack.here())}

    def _call(self, message: dict[str, Any]) -> None:
        place = message["place"]
        dtype = getattr(torch, message["dtype"]) if message["dtype"] else None
        with torch.no_grad(), self._seeming(place):
            model = self._model(*decode(message["init"]))
            with suppress(AttributeError):
                model = model.to(place) if dtype is None else model.to(place, dtype)
            model(*[_argument(item, place) for item in message["inputs"]])

    def _seeming(self, place: str) -> AbstractContextManager[Any]:
        return nullcontext() if self._plain else FakeDevice(place)

    def _described(self, error: BaseException) -> dict[str, Any]:
        described = describe(error, "run", self._path, interpreted=False)
        kinds: dict[type[BaseException], str] = {NeedsDataError: "needs_data", TamperedError: "crash"}
        kind = kinds.get(type(error), "candidate")
        return {
            "kind": "memory" if described["phase"] == "memory" else kind,
            "kernel": None, "config": {}, "line": described["line"],
            "message": f"{described['type']}: {described['message']}",
        }  # fmt: skip


def _argument(item: dict[str, Any], place: str) -> Any:
    if "value" in item:
        return decode(item["value"])
    shape, dtype = tuple(item["shape"]), getattr(torch, item["dtype"])
    if "stride" in item:
        like = torch.empty_strided(shape, tuple(item["stride"]), dtype=dtype, device=place)
        return like if place == "meta" else like.copy_(random_contents(shape, dtype))
    if place == "meta":
        return torch.empty(shape, dtype=dtype, device="meta")
    return random_contents(shape, dtype)
