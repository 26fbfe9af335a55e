"""Record what `forward` asks of the library, its launches included: operators, and reads by the host.

Triton's interpreter works with operators of its own: it allocates, views and copies, no more.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, Self

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

_NAME_CHARS = 100
_HOST_READS = frozenset({"numpy", "tolist", "__array__", "__dlpack__", "__reduce_ex__"})
_FEW = 64
"""Elements that may be read one by one, such as lengths and offsets."""


class OperatorLog:
    """Counts operators by name; a context manager."""

    def __init__(self) -> None:
        self.operators: dict[str, int] = {}
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


class _Operators(TorchDispatchMode):
    def __init__(self, log: OperatorLog) -> None:
        TorchDispatchMode.__init__(self)
        self._log = log

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Count and pass on."""
        self._log.count(str(func))
        return func(*args, **(kwargs or {}))


class _HostReads(TorchFunctionMode):
    """Sees many elements taken out of a tensor at once: Python or NumPy would compute with them."""

    def __init__(self, log: OperatorLog) -> None:
        TorchFunctionMode.__init__(self)
        self._log = log

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Count and pass on."""
        name = getattr(func, "__name__", "")
        if name in _HOST_READS and isinstance(args[0], torch.Tensor) and args[0].numel() > _FEW:
            self._log.count(f"Tensor.{name}")
        return func(*args, **(kwargs or {}))
