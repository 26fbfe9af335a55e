"""Does a text account for all that its code does? What calls have shown is held against it.

A rule that reads texts alone can be talked past; what ran cannot be talked away.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from eval.stage.scope import ranges
from eval.stage.sides import Side, read_side

_KINDS = ("operator", "launch")


class Counts(NamedTuple):
    """What one call of `forward` did, as its runner tells: how often by name."""

    launches: frozenset[tuple[str, int]]
    """By kernel."""
    operators: frozenset[tuple[str, int]]
    """By family of library operator."""
    configs: frozenset[tuple[str, int]]
    """How many an autotuned kernel has."""


def of_turn(calls: int, launches: Iterable[tuple[str, int]]) -> tuple[Counts, Counts]:
    """Return what each of `calls` calls did at least and at most, of which launches alone are known."""
    counted, nothing = list(launches), frozenset[tuple[str, int]]()
    least = Counts(frozenset((name, count // calls) for name, count in counted), nothing, nothing)
    most = Counts(frozenset((name, -(-count // calls)) for name, count in counted), nothing, nothing)
    return least, most


def accounts_for(code: str, seen: Iterable[Counts], passed_over: Collection[str] = ()) -> bool:
    """Tell whether calls did what the text says, as far as it does: launches, no other operators, configs.

    Operators of the families that are `passed_over` are not looked at: others than the code call them.
    """
    side = read_side(code)
    return side is None or all(_fits(side, counts, passed_over) for counts in seen)


def _fits(side: Side, counts: Counts, passed_over: Collection[str]) -> bool:
    for name, count in counts.configs:
        kernel = side.kernels.get(name)
        if kernel is not None and kernel.configs is not None and len(kernel.configs) != count:
            return False
    if side.paths is None:
        return True
    said = ranges(side.paths, {}, _KINDS)
    launches = dict(counts.launches)
    names = launches.keys() | {name for kind, name in said if kind == "launch"}
    never = (0, 0)
    for name in names:
        least, most = said.get(("launch", name), never)
        if not least <= launches.get(name, 0) <= most:
            return False
    return all(
        count <= said.get(("operator", name), never)[1]
        for name, count in counts.operators
        if name not in passed_over
    )
