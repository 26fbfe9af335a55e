"""Does a text account for all that its code does? What calls have shown is held against it.

A rule that reads texts alone can be talked past; what ran cannot be talked away.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from eval.stage.scope import ranges
from eval.stage.sides import Counts, Side, read_side

Seen = Mapping[str, Collection[Counts]]
"""What calls did, by the case that they were on."""
_KINDS = ("operator", "launch")


def of_turn(calls: int, launches: Iterable[tuple[str, int]]) -> tuple[Counts, Counts]:
    """Return what each of `calls` calls did at least and at most, of which launches alone are known."""
    counted = list(launches)
    least = Counts(frozenset((name, count // calls) for name, count in counted), None)
    most = Counts(frozenset((name, -(-count // calls)) for name, count in counted), None)
    return least, most


def without(counts: Counts, families: Collection[str]) -> Counts:
    """Leave out operators of some families: others than the code call them."""
    if counts.operators is None:
        return counts
    return counts._replace(operators=frozenset(pair for pair in counts.operators if pair[0] not in families))


def unaccounted(code: str, seen: Seen) -> frozenset[str]:
    """Return the cases on which a call did something else than the text says, as far as it says anything.

    That is another number of launches, operators that it does not have, and more or fewer configs.
    """
    side = read_side(code)
    if side is None:
        return frozenset()
    return frozenset(case for case, counts in seen.items() if not all(_fits(side, one) for one in counts))


def _fits(side: Side, counts: Counts) -> bool:
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
    operators = counts.operators or ()
    return all(count <= said.get(("operator", name), never)[1] for name, count in operators)
