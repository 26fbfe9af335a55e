"""Constructor arguments and scalar inputs as JSON: numbers, text, None, nested lists, tuples, dicts."""

from __future__ import annotations

import math
from typing import Any


def encode(value: Any) -> Any:
    """Return a JSON form of `value`.

    Raises:
        TypeError: a value that no plain form exists for, such as a tensor or a module.

    """
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": repr(value)}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, list):
        return [encode(item) for item in value]
    if isinstance(value, tuple):
        return {"tuple": [encode(item) for item in value]}
    if isinstance(value, dict):
        return {"dict": [[encode(key), encode(item)] for key, item in value.items()]}
    raise TypeError(f"a {type(value).__name__} cannot be handed to a runner as a plain value")


def decode(value: Any) -> Any:
    """Return what `encode` was given."""
    if isinstance(value, list):
        return [decode(item) for item in value]
    if isinstance(value, dict):
        (kind, inner), = value.items()  # fmt: skip
        if kind == "tuple":
            return tuple(decode(item) for item in inner)
        if kind == "float":
            return float(inner)
        return {decode(key): decode(item) for key, item in inner}
    return value
