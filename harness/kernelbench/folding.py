"""Values of expressions that are made of numbers: ``8192 * 2``, ``[1024] * 16``, ``(batch, 3, 224, 224)``.

What is made of other constants alone follows them by itself, and has no value of its own here.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Mapping
from typing import Any

_SMALL = 8
_MOST = 1 << 62
_LONGEST = 1024
_ON_NUMBERS = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.FloorDiv: operator.floordiv,
    ast.Div: operator.truediv, ast.LShift: operator.lshift, ast.Pow: operator.pow,
}  # fmt: skip
_LARGEST_POWER = 64


def folded(node: ast.expr, known: Mapping[str, Any]) -> list[Any]:
    """Return the value in a list, or an empty one where the expression says none by itself.

    `known` are constants that stand above it.
    """
    try:
        value = _shape(node, known) or _fold(node)
    except (ValueError, TypeError, ArithmeticError, SyntaxError, MemoryError, RecursionError):
        return []
    return [value] if isinstance(value, int | float | str | tuple | list) else []


def _fold(node: ast.expr) -> Any:
    if isinstance(node, ast.BinOp):
        return _operated(_fold(node.left), node.op, _fold(node.right))
    if isinstance(node, ast.Tuple):
        return tuple(map(_fold, node.elts))
    if isinstance(node, ast.List):
        return list(map(_fold, node.elts))
    return ast.literal_eval(node)


def _shape(node: ast.expr, known: Mapping[str, Any]) -> tuple[int, ...] | None:
    """Return a tuple of names and numbers of which one is a size, as ``(batch, 3, 224, 224)`` is."""
    if not isinstance(node, ast.Tuple) or not any(isinstance(part, ast.Name) for part in node.elts):
        return None
    parts: list[Any] = [
        known.get(part.id) if isinstance(part, ast.Name) else _fold(part) for part in node.elts
    ]
    named = [isinstance(part, ast.Name) for part in node.elts]
    sizes = [value for value, is_name in zip(parts, named, strict=True) if not is_name]
    if all(type(value) is int for value in parts) and any(value > _SMALL for value in sizes):
        return tuple(parts)
    return None


def _operated(left: Any, sign: ast.operator, right: Any) -> Any:
    if isinstance(left, list | tuple) or isinstance(right, list | tuple):
        return _of_lists(left, sign, right)
    if not isinstance(left, int | float) or not isinstance(right, int | float):
        raise TypeError
    if isinstance(sign, ast.Pow | ast.LShift) and not 0 <= right <= _LARGEST_POWER:
        raise ValueError
    value = _ON_NUMBERS[type(sign)](left, right) if type(sign) in _ON_NUMBERS else None
    if value is None or abs(value) > _MOST:
        raise ValueError
    return value


def _of_lists(left: Any, sign: ast.operator, right: Any) -> Any:
    if isinstance(sign, ast.Add) and type(left) is type(right) and len(left) + len(right) <= _LONGEST:
        return left + right
    parts, times = (left, right) if isinstance(left, list | tuple) else (right, left)
    if isinstance(sign, ast.Mult) and type(times) is int and len(parts) * max(times, 0) <= _LONGEST:
        return parts * times
    raise ValueError
