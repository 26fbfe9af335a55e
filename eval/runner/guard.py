"""Record what `forward` asks of the library, its launches included: operators, and reads by the host.

Triton's interpreter works with operators of its own: it allocates, views and copies, no more.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, Self

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from eval.runner.provenance import Provenance

_NAME_CHARS = 100
_HOST_READS = frozenset({"numpy", "tolist", "__array__", "__dlpack__", "__reduce_ex__"})
_FEW = 64
"""Elements that one call may read, in whatever pieces, such as lengths and offsets."""
_ITEM = "aten._local_scalar_dense.default"
_TABLES = ("aten.linspace", "aten.logspace", "aten.arange")
"""Operators that fill memory from no contents."""
_FOREIGN = "numbers that no kernel stored"


class OperatorLog:
    """Counts operators by name; a context manager."""

    def __init__(self, provenance: Provenance | None = None) -> None:
        """With `provenance`, numbers that no kernel stored count as an operator that computes."""
        self.operators: dict[str, int] = {}
        self._provenance = provenance
        self._read = 0
        self._modes = ExitStack()

    def __enter__(self) -> Self:
        self._modes.enter_context(_Operators(self))
        self._modes.enter_context(_HostReads(self))
        return self

    def __exit__(self, *_: object) -> None:
        self._modes.close()

    def count(self, name: str) -> None:
        """Count one call."""
        name = name[:_NAME_CHARS]
        self.operators[name] = self.operators.get(name, 0) + 1

    def follow(self, given: list[Any]) -> None:
        """Begin a call that is given these inputs, model and globals."""
        if self._provenance is not None:
            self._provenance.begin(given)

    def made(self, name: str, result: Any) -> None:
        """Learn of a table, such as the result of `torch.linspace`."""
        if self._provenance is not None and name.startswith(_TABLES) and "Tensor" not in name:
            self._provenance.keep(result)

    def check(self, result: Any) -> None:
        """End the call that gave this result."""
        if self._provenance is not None and self._provenance.finish([result]):
            self.count(_FOREIGN)

    def read(self, name: str, elements: int) -> None:
        """Count elements that host code takes out of tensors; many are a way to compute."""
        self._read += elements
        if self._read > _FEW:
            self.count(f"Tensor.{name}")


class _Operators(TorchDispatchMode):
    def __init__(self, log: OperatorLog) -> None:
        TorchDispatchMode.__init__(self)
        self._log = log

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Count and pass on."""
        name = str(func)
        self._log.count(name)
        if name == _ITEM:
            self._log.read("item", 1)
        result = func(*args, **(kwargs or {}))
        self._log.made(name, result)
        return result


class _HostReads(TorchFunctionMode):
    """Sees elements that are taken out of a tensor: Python or NumPy could compute with them."""

    def __init__(self, log: OperatorLog) -> None:
        TorchFunctionMode.__init__(self)
        self._log = log

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Count and pass on."""
        name = getattr(func, "__name__", "")
        if name in _HOST_READS and isinstance(args[0], torch.Tensor):
            self._log.read(name, args[0].numel())
        return func(*args, **(kwargs or {}))
