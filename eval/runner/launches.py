"""What kernels were launched with in the interpreter, in words by which they can be compiled elsewhere.

Numbers that are no compile-time constants are all alike to a compiler, and so are tensors of one dtype.
"""

from __future__ import annotations

import inspect
import json
import math
from typing import Any

import torch

_MOST, _MOST_CHARS, _MOST_TEXT = 16, 24_000, 200
_OPTIONS = ("num_warps", "num_stages", "num_ctas", "maxnreg")
_NUMBERS: dict[type, int | float | bool] = {int: 16, float: 0.5, bool: True}
_LONG = 1 << 31


class Launches:
    """Notes each different launch once, up to a few."""

    def __init__(self) -> None:
        self._noted: dict[str, dict[str, Any]] = {}
        self._chars = 0

    def note(self, kernel: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Note one launch, if there are words for all of its arguments."""
        if len(self._noted) >= _MOST or self._chars > _MOST_CHARS:
            return
        launch = _described(kernel, args, kwargs)
        key = json.dumps(launch)
        if launch is not None and key not in self._noted:
            self._noted[key] = launch
            self._chars += len(key)

    def plain(self) -> list[dict[str, Any]]:
        """Return what was noted."""
        return list(self._noted.values())


def constants_of(module: Any) -> dict[str, Any]:
    """Return the compile-time constants that a module holds, by name, up to a few."""
    found: dict[str, Any] = {}
    for name, value in list(vars(module).items()):
        words = _words(value, constant=True) if type(value).__name__ == "constexpr" else None
        short = words is not None and words[0] == "value" and len(str(words[1])) <= _MOST_TEXT
        if words is not None and short and len(found) < _MOST:
            found[name] = words[1]
    return found


def _described(kernel: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any] | None:
    parameters = inspect.signature(kernel.fn).parameters
    options = {name: kwargs[name] for name in _OPTIONS if type(kwargs.get(name)) is int}
    given = {name: value for name, value in kwargs.items() if name in parameters}
    bound = inspect.signature(kernel.fn).bind(*args, **given)
    bound.apply_defaults()
    arguments = []
    for name, value in bound.arguments.items():
        words = _words(value, constant="constexpr" in str(parameters[name].annotation))
        if words is None:
            return None
        arguments.append({"name": name, "kind": words[0], "what": words[1]})
    return {"kernel": kernel.fn.__name__, "arguments": arguments, "options": options}


def _words(value: Any, *, constant: bool) -> tuple[str, Any] | None:
    """Return the kind of a value and its name, number or text; None where there are no words for it."""
    kind = type(value)
    if kind.__name__ == "constexpr":
        return _words(value.value, constant=constant)
    if kind in (torch.Tensor, torch.nn.Parameter):
        return "tensor", str(value.dtype).removeprefix("torch.")
    if value is None or kind is str:
        return "value", value
    if kind in _NUMBERS:
        return _number(value, constant=constant)
    if kind.__module__ == "triton.language.core" and kind.__name__ == "dtype":
        return "type", str(value.name)
    called = getattr(getattr(value, "fn", value), "__name__", None)
    return ("function", called) if callable(value) and type(called) is str else None


def _number(value: float, *, constant: bool) -> tuple[str, Any] | None:
    if constant:
        return ("value", value) if type(value) is not float or math.isfinite(value) else None
    long = type(value) is int and not -_LONG <= value < _LONG
    return "value", 16 * _LONG if long else _NUMBERS[type(value)]
