"""Take the tensors out of whatever `forward` returned, and say what it was."""

from __future__ import annotations

from typing import Any

import torch

_MOST = 64


def flatten(result: Any) -> tuple[str, list[Any]]:
    """Return the structure (``tensor``, ``tuple``, ``list``, ``dict:a,b``) and its parts in order."""
    if isinstance(result, (tuple, list)):
        kind = "tuple" if isinstance(result, tuple) else "list"
        return kind, list(result)[:_MOST]
    if isinstance(result, dict):
        keys = [str(key)[:40] for key in result][:_MOST]
        return "dict:" + ",".join(keys), list(result.values())[:_MOST]
    return "tensor", [result]


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
