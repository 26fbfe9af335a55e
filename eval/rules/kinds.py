"""What kind of value an expression of host code has, as far as its text tells.

``data`` is a number or a list of numbers that was read out of a tensor.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

Simple = Literal["plain", "data", "tensor", "module", "unknown"]


@dataclass(frozen=True)
class Many:
    """Any number of values of one kind: a list, an iterator. Made by `many`."""

    of: Kind
    depth: int = field(compare=False)


@dataclass(frozen=True)
class Fixed:
    """A tuple or list that is written out. Made by `fixed`."""

    parts: tuple[Kind, ...]
    depth: int = field(compare=False)


Kind = Simple | Many | Fixed
CONTAINERS = (Many, Fixed)
"""Kinds of containers; a tuple, as it takes time to make a union at each look."""
Env = dict[str, Kind]
_RANK: dict[str, int] = {"plain": 0, "unknown": 1, "data": 2, "module": 3, "tensor": 4}
_MAX_PARTS = 32
_MAX_DEPTH = 3
"""Deeper containers are taken as flat, so that no text makes kinds that grow without end."""


def many(of: Kind) -> Kind:
    """Return the kind of a container of any length."""
    inside = of if _depth(of) < _MAX_DEPTH else leaf(of)
    return Many(inside, _depth(inside) + 1)


def fixed(parts: list[Kind]) -> Kind:
    """Return the kind of a tuple or list of these parts."""
    deepest = max((_depth(part) for part in parts), default=0)
    if len(parts) <= _MAX_PARTS and deepest < _MAX_DEPTH:
        return Fixed(tuple(parts), deepest + 1)
    return many(joined(leaf(part) for part in parts))


def join(first: Kind, second: Kind) -> Kind:
    """Return what a value may be that is one or the other; a tensor wins, so that joins only ever rise."""
    if first is second or first == second:
        return first
    if isinstance(first, CONTAINERS) and isinstance(second, CONTAINERS):
        return _join_containers(first, second)
    if isinstance(first, CONTAINERS):
        return first if second in {"plain", "unknown"} else second
    if isinstance(second, CONTAINERS):
        return join(second, first)
    return first if _RANK[first] >= _RANK[second] else second


def joined(kinds: Iterable[Kind]) -> Kind:
    """Return what a value may be that is one of these; ``plain`` for none."""
    found: Kind = "plain"
    for kind in kinds:
        found = join(found, kind)
    return found


def element(kind: Kind) -> Kind:
    """Return the kind of one element, as a loop or an index would give it."""
    if isinstance(kind, Many):
        return kind.of
    return joined(kind.parts) if isinstance(kind, Fixed) else kind


def leaf(kind: Kind) -> Kind:
    """Return what the innermost values of a container may be."""
    while isinstance(kind, CONTAINERS):
        kind = joined(leaf(part) for part in kind.parts) if isinstance(kind, Fixed) else kind.of
    return kind


def at(kind: Kind, position: int) -> Kind:
    """Return the kind of the part at a position, as unpacking gives it."""
    if isinstance(kind, Fixed) and -len(kind.parts) <= position < len(kind.parts):
        return kind.parts[position]
    return element(kind)


def _depth(kind: Kind) -> int:
    return kind.depth if isinstance(kind, CONTAINERS) else 0


def _join_containers(first: Many | Fixed, second: Many | Fixed) -> Kind:
    if isinstance(first, Fixed) and isinstance(second, Fixed) and len(first.parts) == len(second.parts):
        return fixed([join(a, b) for a, b in zip(first.parts, second.parts, strict=True)])
    return many(join(element(first), element(second)))
