"""How much memory a piece of torch code takes at once, counted on tensors that have none."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class _Live(TorchDispatchMode):
    """Adds up the storages that are alive; workspaces within an operator are not seen."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._sizes: dict[int, int] = {}
        self.peak = 0

    def __torch_dispatch__(
        self, func: Callable[..., Any], _types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor) and leaf.layout is torch.strided:
                self._add(leaf.untyped_storage())
        return result

    def _add(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata  # noqa: SLF001 - what tells two wrappers of one storage from two storages
        if key not in self._sizes and storage.nbytes():
            self._sizes[key] = storage.nbytes()
            weakref.finalize(storage, self._sizes.pop, key, None)
            self.peak = max(self.peak, sum(self._sizes.values()))


class _Fused(TorchFunctionMode):
    """Attention as GPUs have it for float32 and shorter: without the scores."""

    def __torch_function__(
        self, func: Callable[..., Any], _types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        named = dict(zip(("query", "key", "value"), args, strict=False)) | (kwargs or {})
        if func is torch.nn.functional.scaled_dot_product_attention and {"query", "value"} <= set(named):
            query, value = named["query"], named["value"]
            return query.new_empty((*query.shape[:-1], value.shape[-1]))
        return func(*args, **(kwargs or {}))


def peak_bytes(run: Callable[[], object], *, fused: bool = False) -> int:
    """Return the most bytes that tensors made while `run` ran held at once.

    `fused` counts attention without its scores; what `run` returns then means nothing.
    """
    live = _Live()
    with torch.no_grad(), _Fused() if fused else contextlib.nullcontext(), live:
        run()
    return live.peak
