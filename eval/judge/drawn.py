"""What `get_inputs` makes, learned by watching it on meta tensors: shapes, dtypes, and which values.

A tensor that comes straight from a random generator may be filled with anything of its kind: floats
freely, integers within the range that was asked for. Any other has a meaning (labels, masks, offsets,
probabilities) and is only ever made by `get_inputs` itself.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch.overrides import TorchFunctionMode

_DRAWN = frozenset({"rand", "randn", "rand_like", "randn_like", "normal", "empty"})
_WHOLE = frozenset({"randint", "randint_like"})
_KEEP_FREE = frozenset({
    "mul", "add", "sub", "rsub", "neg", "mul_", "add_", "sub_", "div", "div_", "__rmul__", "__radd__",
    "__rsub__", "__add__", "__sub__", "__mul__", "__truediv__", "__neg__", "__imul__", "__iadd__", "__isub__",
    "true_divide", "multiply", "subtract",
})  # fmt: skip
_KEEP_ALL = frozenset({
    "to", "float", "double", "half", "bfloat16", "bool", "long", "int", "short", "view", "reshape",
    "transpose", "permute", "contiguous", "unsqueeze", "squeeze", "clone", "requires_grad_", "detach", "cuda",
    "cpu", "t", "type", "expand", "flatten",
})  # fmt: skip
_COMPARES = frozenset({"gt", "lt", "ge", "le", "__gt__", "__lt__", "__ge__", "__le__"})
_ASKED = 2
"""Plain numbers in front of the shape of `randint`, where both ends are given."""


class Origin(NamedTuple):
    """How a tensor came about."""

    free: bool = False
    bounds: tuple[int, int] | None = None
    """Whole numbers from the first to below the second."""


class Watch(TorchFunctionMode):
    """Notes the origin of tensors while `get_inputs` runs; ``of`` tells it afterwards."""

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[int, tuple[torch.Tensor, Origin]] = {}

    def of(self, tensor: torch.Tensor) -> Origin:
        """Return what is known of a tensor; of one with a meaning, nothing."""
        found = self._known.get(id(tensor))
        return found[1] if found is not None and found[0] is tensor else Origin()

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call, and note where the result came from."""
        result = func(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor):
            origin = self._origin(getattr(func, "__name__", ""), args, kwargs or {})
            self._known[id(result)] = (result, origin)
        return result

    def _origin(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Origin:
        if name in _DRAWN:
            return Origin(free=True)
        if name in _WHOLE:
            return Origin(bounds=_bounds(args, kwargs))
        sources = [self.of(arg) for arg in args if isinstance(arg, torch.Tensor)]
        if len(sources) != 1:
            return Origin()
        if name in _COMPARES and sources[0].free:
            return Origin(bounds=(0, 2))
        if name in _KEEP_ALL or (name in _KEEP_FREE and sources[0].free):
            return sources[0]
        return Origin()


def _bounds(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[int, int] | None:
    numbers = [arg for arg in args if isinstance(arg, int)][:_ASKED]
    low, high = kwargs.get("low"), kwargs.get("high")
    if high is None and numbers:
        high = numbers.pop()
    if low is None:
        low = numbers.pop() if numbers else 0
    return (int(low), int(high)) if isinstance(high, int) and high > low else None
