"""What a runner does with each request: load code, make an instance, call it, report.

Everything here runs in the candidate's address space, so the judge believes none of it: outputs are
checked where they lie, and times against the judge's own clock.
"""

from __future__ import annotations

import gc
import json
import random
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from eval.plain import decode
from eval.runner import cache_pack, outputs
from eval.runner.arena import ArenaMemory
from eval.runner.configs import ConfigPlan
from eval.runner.guard import OperatorLog
from eval.runner.kernel_times import KernelTimes
from eval.runner.launches import constants_of
from eval.runner.load import describe, load_module
from eval.runner.memory import HostMemory, OutputTooLargeError
from eval.runner.seal import Seal
from eval.runner.stopwatch import Span, Stopwatch
from eval.state import State, registration_order, still_dropouts, still_functions
from eval.tensors import parse_desc


class Session:
    """One loaded module, its instances by key, and the memory shared with the judge."""

    def __init__(
        self, memory: HostMemory | ArenaMemory, scratch: Path, tell: Callable[[dict[str, Any]], None],
        stopwatch: Stopwatch | None,
    ) -> None:  # fmt: skip
        """`tell` sends the judge what it hears before the answer; a `stopwatch` is there on a GPU alone."""
        self._memory = memory
        self._tell = tell
        self._path = scratch / "candidate.py"
        self._cuda = stopwatch is not None
        self._plan = ConfigPlan()
        self._plan.install(interpret=stopwatch is None)
        self._stopwatch = stopwatch
        self._source: list[str] = []
        self._module: Any = None
        still_functions()
        self._seal = Seal()
        self._seal.check()  # the first time it copies memory that was the parent's
        self._class = ""
        self._compiled = False
        self._instances: dict[str, Any] = {}
        self._states: dict[str, State] = {}
        self._held: list[torch.Tensor] = []
        self._kept: list[torch.Tensor] = []
        """Outputs of earlier calls that the judge wants kept, so that none of them is given again."""
        self._seen: dict[str, tuple[torch.Tensor, int]] = {}
        """Inputs by what is said of their place, and the bytes that they span."""
        self._batch: list[list[dict[str, Any]]] = []
        """The inputs of each timed call, as they were named last."""
        self._hidden: list[list[Span]] = []
        self._earlier: list[tuple[int, int]] = []
        self._given: list[tuple[int, int]] = []
        self._log: OperatorLog | None = None
        self._kernel_times: KernelTimes | None = None

    def answer(self, message: dict[str, Any]) -> dict[str, Any]:
        """Answer one request; what the candidate raises becomes an ``error``."""
        operations = {
            "load": self._load, "instance": self._instance, "call": self._call, "timed": self._timed,
            "null": self._null, "open_profile": self._open_profile, "profile": self._profile,
            "details": self._details, "source": self._take_source, "lacks": self._lacks,
            "adopt": self._adopt, "state": self._write_state, "cache": self._fill_cache,
            "seen": self._tell_seen,
        }  # fmt: skip
        phase = {"load": "import", "instance": "init"}.get(message["op"], "run")
        try:
            return operations[message["op"]](message)
        except BaseException as error:  # noqa: BLE001 - a candidate may raise anything, and it is a value
            return {"error": self._describe(error, phase)}

    def _describe(self, error: BaseException, phase: str) -> dict[str, Any]:
        described = describe(error, phase, self._path, interpreted=not self._cuda)
        if self._memory.refusal:
            described["phase"] = "memory"
            described["message"] = self._memory.refusal
        return described

    def _take_source(self, message: dict[str, Any]) -> dict[str, Any]:
        self._source.append(message["text"])
        return {}

    def _fill_cache(self, message: dict[str, Any]) -> dict[str, Any]:
        """Take over what was compiled ahead, before the code is loaded."""
        return {"keys": cache_pack.received(self._memory.base, message["size"], cache_pack.here())}

    def _load(self, message: dict[str, Any]) -> dict[str, Any]:
        self._module = load_module("".join(self._source), self._path, "candidate")
        self._class = message["class"]
        self._compiled = message["compile"]
        torch.backends.cuda.matmul.allow_tf32 = message["tf32"]
        torch.backends.cudnn.allow_tf32 = message["tf32"]
        getattr(self._module, self._class)
        return {}

    def _instance(self, message: dict[str, Any]) -> dict[str, Any]:
        if message["seed"] is not None:
            torch.manual_seed(message["seed"])
            random.seed(message["seed"])
        with torch.no_grad(), registration_order() as order:
            model = getattr(self._module, self._class)(*decode(message["init"]))
        still_dropouts(model)
        if self._cuda:
            model = model.cuda()
        if message["dtype"] is not None:
            model = model.to(getattr(torch, message["dtype"]))
        self._states[message["key"]] = State(model, order)
        if self._compiled:
            model = torch.compile(model)
        self._instances[message["key"]] = model
        self._remember()
        return {"live": self._memory.live()[:400]}

    def _tell_seen(self, _message: dict[str, Any]) -> dict[str, Any]:
        """Say which launches were interpreted."""
        interpreted = self._plan.interpreted
        launches = interpreted.seen.plain() if interpreted is not None else []
        return {"launches": launches, "constants": constants_of(self._module)}

    def _lacks(self, message: dict[str, Any]) -> dict[str, Any]:
        return {"missing": self._states[message["key"]].missing(message["wanted"])}

    def _adopt(self, message: dict[str, Any]) -> dict[str, Any]:
        return {"missing": self._states[message["key"]].adopt(message["wanted"], message["by"])}

    def _write_state(self, message: dict[str, Any]) -> dict[str, Any]:
        values = self._memory.input(parse_desc(message["values"], self._memory.base.numel()))
        self._states[message["key"]].write(message["name"], message["start"], values)
        if self._plan.interpreted is not None:
            self._plan.interpreted.provenance.given([values])
        self._settle()
        return {"live": self._memory.live()[:400]}

    def _inputs(self, items: list[dict[str, Any]]) -> list[Any]:
        return [
            decode(item["value"]) if "value" in item else self._input(item["tensor"])[0] for item in items
        ]

    def _input(self, raw: dict[str, Any]) -> tuple[torch.Tensor, int]:
        key = json.dumps(raw)
        if key not in self._seen:
            desc = parse_desc(raw, self._memory.base.numel())
            place = self._memory.input(desc)
            self._seen[key] = place, desc.span_elements() * place.dtype.itemsize
        return self._seen[key]

    def _call(self, message: dict[str, Any]) -> dict[str, Any]:
        self._memory.poisoned()
        try:
            report, self._held = self._report(self._result_of(message))
        finally:
            self._remember()
        return {**report, "facts": self._facts()}

    def _result_of(self, message: dict[str, Any]) -> Any:
        model, inputs = self._instances[message["key"]], self._inputs(message["inputs"])
        self._kept = [*self._kept, *self._held] if message["hold"] else []
        self._earlier = outputs.storage_ranges(self._kept)
        if not message["hold"]:
            self._held = []
        self._given = _ranges(self._spans(message["inputs"]))
        self._plan.forced, self._plan.suppress = message["forced"], message["suppress"]
        self._plan.launched = {}
        traced = self._plan.interpreted.provenance if self._plan.interpreted is not None else None
        self._log = OperatorLog(traced) if message["guard"] else None
        with torch.no_grad():
            if self._log is not None:
                self._log.follow([inputs])
                with self._log:
                    result = model(*inputs)
                self._seal.check()  # before it waits, so that kernels run meanwhile
                self._settle()
                self._log.check(result)
            else:
                result = model(*inputs)
                self._settle()
        return result

    def _remember(self) -> None:
        if self._plan.interpreted is not None:
            kept = [*self._instances.values(), vars(self._module)]
            self._plan.interpreted.provenance.remember(kept)

    def _timed(self, message: dict[str, Any]) -> dict[str, Any]:
        """Call an instance on each of several inputs, once the judge shows them; events round each call.

        Where none are named they are those of the turn before. The judge hears where the outputs will lie as
        soon as all is queued.
        """
        assert self._stopwatch is not None
        self._memory.poisoned()
        model = self._instances[message["key"]]
        if message["batch"] is not None:
            self._batch = message["batch"]
            self._hidden = [self._spans(items) for items in self._batch]
        batch = [self._inputs(items) for items in self._batch]
        self._held, self._kept, self._earlier, self._log = [], [], [], None
        self._given = _ranges(span for spans in self._hidden for span in spans)
        self._plan.forced, self._plan.suppress, self._plan.launched = None, False, {}
        works = [partial(model, *inputs) for inputs in batch]
        gc.disable()
        try:
            with torch.no_grad():
                ms = self._stopwatch.time(works, self._hidden, partial(self._announce, message["nonce"]))
        finally:
            gc.enable()
        return {"ms": ms, "facts": self._facts()}

    def _announce(self, nonce: str, results: list[Any]) -> None:
        """Tell where outputs lie that may not have been written yet."""
        reports, self._held = [], []
        for result in results:
            report, held = self._report(result)
            reports.append(report)
            self._held += held
        self._tell({"calls": reports, "nonce": nonce})

    def _spans(self, items: list[dict[str, Any]]) -> list[Span]:
        spans = []
        for number, item in enumerate(items):
            if "tensor" in item:
                place, span_bytes = self._input(item["tensor"])
                spans.append((number, place.data_ptr(), span_bytes))
        return spans

    def _settle(self) -> None:
        if self._cuda:
            torch.cuda.synchronize()

    def _report(self, result: Any) -> tuple[dict[str, Any], list[torch.Tensor]]:
        """Say what the outputs are and where they lie."""
        if self._memory.refusal:
            raise MemoryError(self._memory.refusal)
        structure, parts = outputs.flatten(result)
        kinds = outputs.type_names(parts, self._memory.base.device.type)
        held = [part for part, kind in zip(parts, kinds, strict=True) if kind == "tensor"]
        report: dict[str, Any] = {"structure": structure, "types": kinds, "too_large": False}
        try:
            report["outputs"] = self._memory.publish(held)
        except OutputTooLargeError:
            report["outputs"] = [{"shape": list(t.shape), "dtype": str(t.dtype)[6:]} for t in held]
            report["too_large"] = True
        return report, held

    def _facts(self) -> dict[str, Any]:
        """Say the rest about the last call."""
        ranges = outputs.storage_ranges(self._held)
        return {
            "aliases_input": outputs.overlap(ranges, self._given),
            "aliases_earlier": outputs.overlap(ranges, self._earlier),
            "launched": dict(list(self._plan.launched.items())[:50]),
            "configs": dict(list(self._plan.counts.items())[:50]),
            "operators": self._log.operators if self._log else None,
            "live": self._memory.live()[:400],
        }

    def _null(self, message: dict[str, Any]) -> dict[str, Any]:
        """Say what events show beyond the time of programs that last for a known one."""
        assert self._stopwatch is not None

        def describe(results: list[Any]) -> None:
            self._tell({"calls": results, "nonce": message["nonce"]})

        ms = self._stopwatch.beside_spins(message["count"], message["spin_ns"], describe)
        return {"ms": ms, "facts": self._facts()}

    def _open_profile(self, _message: dict[str, Any]) -> dict[str, Any]:
        self._kernel_times = KernelTimes()
        return {}

    def _profile(self, message: dict[str, Any]) -> dict[str, Any]:
        assert self._kernel_times is not None
        model, inputs = self._instances[message["key"]], self._inputs(message["inputs"])
        self._held = []
        self._plan.forced, self._plan.suppress = None, False
        with torch.no_grad():
            self._kernel_times.run(partial(model, *inputs), message["calls"])
        return {}

    def _details(self, _message: dict[str, Any]) -> dict[str, Any]:
        """Say what the profile shows, and what the tuner has measured."""
        assert self._kernel_times is not None
        kernel_times, self._kernel_times = self._kernel_times, None
        return {"kernels": kernel_times.rows(), "timings": self._plan.times()[:64]}


def _ranges(spans: Iterable[Span]) -> list[tuple[int, int]]:
    """Address ranges that the inputs themselves cover: all inputs share one storage."""
    return [(at, at + size_bytes) for _, at, size_bytes in spans if size_bytes]
