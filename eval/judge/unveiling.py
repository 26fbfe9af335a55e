"""How long it takes to show the inputs that lie in one region: memory is not everywhere equally fast.

The judge's clock runs while a runner shows its inputs, its events do not. Between regions the times differ by
some hundredths where inputs are small, which would look like work outside of the events.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from eval.gate import KEY_BYTES
from eval.judge.hiding import programs
from eval.judge.regions import bytes_needed
from eval.judge.stats import median

if TYPE_CHECKING:
    from eval.judge.reference import CaseReference
    from eval.judge.regions import DeviceRegion

_REPEAT = 7


def measure(case: CaseReference, regions: Sequence[DeviceRegion], calls: int) -> None:
    """Measure each of `calls` slots of each region, while nobody is there who could make it look longer.

    All are passed over in turn, and that several times, so that clocks which change meet all alike.
    """
    key = torch.zeros(KEY_BYTES, dtype=torch.uint8, device="cuda")
    l2_bytes = torch.cuda.get_device_properties(0).L2_cache_size
    flush = torch.empty(2 * l2_bytes, dtype=torch.uint8, device="cuda")
    places = [[_places(case, region, slot) for slot in range(calls)] for region in regions]
    passes = []
    for _ in range(1 + _REPEAT):
        events = [[_passed(slot, key, flush) for slot in slots] for slots in places]
        torch.cuda.synchronize()
        passes.append([[begin.elapsed_time(end) for begin, end in slots] for slots in events])
    for number, region in enumerate(regions):
        seen = [one[number] for one in passes[1:]]
        region.unveil_ms = tuple(median(list(slot)) for slot in zip(*seen, strict=True))


def _places(case: CaseReference, region: DeviceRegion, slot: int) -> list[tuple[int, int]]:
    """Addresses and bytes of the inputs of one call."""
    start = slot * bytes_needed(case.inputs, region.align)
    placed = [desc for desc in region.place(case.inputs, case.case.layout, start) if desc is not None]
    tensors = [(region.tensor(desc), desc.span_elements()) for desc in placed]
    return [(tensor.data_ptr(), span * tensor.dtype.itemsize) for tensor, span in tensors]


def _passed(places: list[tuple[int, int]], key: torch.Tensor, flush: torch.Tensor) -> tuple[Any, Any]:
    """Pass over the inputs of a call as a runner does, under the key that changes nothing, between events."""
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    stream = torch.cuda.current_stream().cuda_stream
    flush.fill_(1)
    begin.record()
    for address, size_bytes in places:
        programs().cipher(stream, address, address, size_bytes, key.data_ptr(), 0)
    end.record()
    return begin, end
