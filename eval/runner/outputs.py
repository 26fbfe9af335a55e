"""Take the tensors out of whatever `forward` returned, and say what it was."""

from __future__ import annotations

from typing import Any

import torch

from eval.structure import flatten as flatten  # noqa: PLC0414 - handed on beside what looks at its leaves


def type_names(parts: list[Any], device: str) -> list[str]:
    """Exact types: a subclass of `torch.Tensor` is not a tensor here, nor is a sparse or a distant one."""
    return [_type_name(part, device) for part in parts]


def _type_name(part: Any, device: str) -> str:
    if type(part) is not torch.Tensor:
        return type(part).__name__[:100]
    if part.layout is not torch.strided:
        return "sparse tensor"
    return "tensor" if part.device.type == device else f"tensor on {part.device.type}"


def storage_ranges(tensors: list[torch.Tensor]) -> list[tuple[int, int]]:
    """Address ranges of the storages behind `tensors`."""
    storages = [tensor.untyped_storage() for tensor in tensors if tensor.numel()]
    return [(storage.data_ptr(), storage.data_ptr() + storage.nbytes()) for storage in storages]


def overlap(first: list[tuple[int, int]], second: list[tuple[int, int]]) -> bool:
    """Tell whether any range of one list shares a byte with any of the other."""
    return any(a < d and c < b for a, b in first for c, d in second)
