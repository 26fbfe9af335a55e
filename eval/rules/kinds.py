"""What kind of value an expression of host code has, as far as its text tells: tensor, plain or unknown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Simple = Literal["plain", "tensor", "module", "unknown"]


@dataclass(frozen=True)
class Many:
    """Any number of values of one kind: a list, an iterator."""

    of: Kind


@dataclass(frozen=True)
class Fixed:
    """A tuple or list that is written out."""

    parts: tuple[Kind, ...]


Kind = Simple | Many | Fixed
Env = dict[str, Kind]
_RANK: dict[str, int] = {"plain": 0, "unknown": 1, "module": 2, "tensor": 3}
_MAX_PARTS = 32


def join(first: Kind, second: Kind) -> Kind:
    """Return what a value may be that is one or the other; a tensor wins, so that joins only ever rise."""
    if first == second:
        return first
    if isinstance(first, Fixed) and isinstance(second, Fixed) and len(first.parts) == len(second.parts):
        return Fixed(tuple(join(a, b) for a, b in zip(first.parts, second.parts, strict=True)))
    if isinstance(first, Many | Fixed) and isinstance(second, Many | Fixed):
        return Many(join(element(first), element(second)))
    if isinstance(first, Many | Fixed):
        return first if second in {"plain", "unknown"} else second
    if isinstance(second, Many | Fixed):
        return join(second, first)
    return first if _RANK[first] >= _RANK[second] else second


def element(kind: Kind) -> Kind:
    """Return the kind of one element, as a loop or an index would give it."""
    if isinstance(kind, Many):
        return kind.of
    if isinstance(kind, Fixed):
        found: Kind = "plain"
        for part in kind.parts:
            found = join(found, part)
        return found
    return kind


def fixed(parts: list[Kind]) -> Kind:
    """Return the kind of a tuple or list of these parts."""
    return Fixed(tuple(parts)) if len(parts) <= _MAX_PARTS else Many(element(Fixed(tuple(parts))))


def at(kind: Kind, position: int) -> Kind:
    """Return the kind of the part at a position, as unpacking gives it."""
    if isinstance(kind, Fixed) and -len(kind.parts) <= position < len(kind.parts):
        return kind.parts[position]
    return element(kind)
