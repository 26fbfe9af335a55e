"""CUDA events round calls whose inputs the judge shows one after another: the runner's own clock."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from eval.cuda.programs import Programs, register
from eval.gate import AWAKE, DONE, KEY_BYTES, KEYS, MOST_CALLS, OPENED, QUEUED, SIZE_BYTES, TURN

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from eval.gate import Gate

Span = tuple[int, int, int]
"""An input that is hidden: its number, its device address, its bytes."""


class Stopwatch:
    """Queues each call behind a gate, its inputs' unveiling and a sweep of the L2, and times it."""

    def __init__(self, gate: Gate, programs: bytes) -> None:
        """`programs` is what `assembled` gave on this GPU."""
        torch.cuda.init()
        properties = torch.cuda.get_device_properties(0)
        self._gate = gate
        self._page = register(gate.address, SIZE_BYTES)
        self._programs = Programs(properties.multi_processor_count, programs)
        self._key = torch.zeros(KEY_BYTES, dtype=torch.uint8, device="cuda")
        self._other = torch.zeros(2 * properties.L2_cache_size, dtype=torch.uint8, device="cuda")
        self._spun_ns = torch.zeros(MOST_CALLS, dtype=torch.int32, device="cuda")
        self._pairs: list[tuple[Any, Any]] = []

    def time(
        self, works: Sequence[Callable[[], Any]], hidden: Sequence[Sequence[Span]],
        queued: Callable[[list[Any]], None],
    ) -> list[float]:  # fmt: skip
        """Run each of `works` once and return the time of each in ms.

        `hidden` are the inputs of each. None of it begins before it is this runner's turn, so that
        another may be timed while this one queues. All is queued before the judge opens the gate for the
        first, so that no launch is waited for; the L2 then holds clean lines of other memory before each
        work, as Nsight Compute has it. `queued` is called with the results before the judge hears that it may
        open, or where a work waits for its own results after they are there.
        """
        while len(self._pairs) < len(works):
            self._pairs.append((_event(), _event()))
        self._programs.hold(_stream(), self._page + TURN, 1)
        self._programs.tell(_stream(), self._page + AWAKE, 1)
        results = []
        for number, (work, spans, pair) in enumerate(zip(works, hidden, self._pairs, strict=False)):
            self._unveil(number, spans)
            pair[0].record()
            results.append(work())
            pair[1].record()
            self._programs.tell(_stream(), self._page + DONE, number + 1)
        queued(results)
        self._gate.write(QUEUED, 1)
        torch.cuda.synchronize()
        return [start.elapsed_time(end) for start, end in self._pairs[: len(works)]]

    def beside_spins(
        self, count: int, wanted_ns: int, queued: Callable[[list[Any]], None]
    ) -> list[float]:  # fmt: skip
        """Time programs that know how long they last; return what `time` says beyond that of each, in ms."""
        nothing: Span = (0, self._spun_ns.data_ptr(), self._spun_ns.nbytes)
        places = [self._spun_ns[call].data_ptr() for call in range(count)]
        works = [partial(self._programs.spin, _stream(), place, wanted_ns) for place in places]
        ms = self.time(works, [[nothing]] * count, queued)
        spun_ms = (self._spun_ns[:count].double() / 1e6).tolist()
        return [max(0.0, event - spun) for event, spun in zip(ms, spun_ms, strict=True)]

    def _unveil(self, number: int, spans: Sequence[Span]) -> None:
        stream, key = _stream(), self._key.data_ptr()
        host_key = self._page + KEYS + number * KEY_BYTES
        self._programs.wait(stream, self._page + OPENED, number + 1, host_key, key)
        for tweak, address, size_bytes in spans:
            self._programs.cipher(stream, address, address, size_bytes, key, tweak)
        self._programs.sweep(stream, self._other.data_ptr(), self._other.numel())


def _stream() -> int:
    return torch.cuda.current_stream().cuda_stream


def _event() -> Any:
    return torch.cuda.Event(enable_timing=True)
