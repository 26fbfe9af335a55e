"""Rule `scope`: the kernels launched and the library operators called are those of the current code.

The text decides where it can; what running has shown decides the rest, and None is left where neither does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from eval.stage.events import ANY_NUMBER, Event
from eval.stage.paths import Path
from eval.stage.sides import Counts, Ran, Side

Pairs = Mapping[str, str]
"""Kernel of the candidate to the kernel of the current code that it stands for."""
_Outline = frozenset[tuple[frozenset[tuple[str, bool]], tuple[object, ...]]]
"""What happens under which conditions."""
_MOST_MERGING = 2_000_000
"""Comparisons of conditions; real code takes some thousands."""
_Key = tuple[str, str]
_Range = tuple[int, int]


class Difference(NamedTuple):
    """One way in which two pieces of code are not the same."""

    message: str
    line: int
    column: int = 0


def paired(candidate: Side, current: Side) -> dict[str, str]:
    """Pair kernels by name; those left over in order, where as many are: a kernel may be renamed."""
    mine, theirs = (_launched_in_order(side) for side in (candidate, current))
    pairs = {name: name for name in mine if name in theirs}
    rest = [name for name in mine if name not in pairs]
    others = [name for name in theirs if name not in pairs]
    return pairs | (dict(zip(rest, others, strict=True)) if len(rest) == len(others) else {})


def _launched_in_order(side: Side) -> list[str]:
    names = side.launched_names()
    return [name for name in side.kernels if names is None or name in names]


def same_scope(
    candidate: Side, current: Side, pairs: Pairs, *, launches: bool
) -> tuple[Difference, ...] | None:
    """Return what differs, nothing where all is the same, None where that is not known.

    With `launches` the kernels count too, otherwise the library operators alone.
    """
    by_text = _by_text(candidate, current, pairs, launches=launches)
    return by_text if by_text is not None else _by_run(candidate, current, pairs, launches=launches)


def same_paths(candidate: Side, current: Side, pairs: Pairs, kinds: Iterable[str], *, grids: bool) -> bool:
    """Tell whether the text shows that the same happens under the same conditions."""
    if candidate.paths is None or current.paths is None:
        return False
    mine, theirs = _outlines(candidate.paths, current.paths, pairs, kinds, grids=grids)
    return mine == theirs or _same_merged(mine, theirs)


def _outlines(
    mine: Iterable[Path], theirs: Iterable[Path], pairs: Pairs, kinds: Iterable[str], *, grids: bool
) -> tuple[_Outline, _Outline]:
    wanted = frozenset(kinds)
    return _outline(mine, pairs, wanted, grids=grids), _outline(theirs, {}, wanted, grids=grids)


def _outline(paths: Iterable[Path], pairs: Pairs, kinds: frozenset[str], *, grids: bool) -> _Outline:
    return frozenset(
        (
            path.conditions,
            tuple(_form(event, pairs, grids=grids) for event in path.events if event.kind in kinds),
        )
        for path in paths
    )


def _same_merged(one: _Outline, other: _Outline) -> bool:
    """Tell whether the same surely happens once conditions on which nothing depends are left out."""
    merged = [_merged(outline) for outline in (one, other)]
    return merged[0] is not None and merged[0] == merged[1]


def _merged(outline: _Outline) -> _Outline | None:
    """Drop conditions on which nothing depends; None where that would take for ever."""
    found = set(outline)
    changed, left = True, _MOST_MERGING
    while changed:
        changed = False
        for conditions, happened in sorted(found, key=repr):
            left -= len(happened) + len(conditions) ** 2
            if left < 0:
                return None
            for text, value in sorted(conditions):
                twin = (conditions - {(text, value)}) | {(text, not value)}
                if (conditions, happened) in found and (twin, happened) in found:
                    found -= {(conditions, happened), (twin, happened)}
                    found.add((conditions - {(text, value)}, happened))
                    changed = True
    return frozenset(found)


def _form(event: Event, pairs: Pairs, *, grids: bool) -> tuple[object, ...]:
    if event.kind == "launch":
        return (
            "launch",
            pairs.get(event.name, event.name),
            event.text if grids or event.least != event.most else "",
            event.least,
            event.most,
        )
    uncertain = event.least != event.most
    return "operator", event.name, event.text if uncertain else "", event.least, event.most


def _by_text(
    candidate: Side, current: Side, pairs: Pairs, *, launches: bool
) -> tuple[Difference, ...] | None:
    if candidate.paths is None or current.paths is None:
        return None
    kinds = ("operator", "launch") if launches else ("operator",)
    outlines = _outlines(candidate.paths, current.paths, pairs, kinds, grids=False)
    if outlines[0] == outlines[1]:
        return ()
    mine, theirs = ranges(candidate.paths, pairs, kinds), ranges(current.paths, {}, kinds)
    never = (0, 0)
    keys = sorted(set(mine) | set(theirs))
    apart = [key for key in keys if _apart(mine.get(key, never), theirs.get(key, never))]
    if apart:
        return tuple(_difference(candidate, pairs, key, mine, theirs) for key in apart)
    exact = all(len({*mine.get(key, never), *theirs.get(key, never)}) == 1 for key in keys)
    return () if exact or _same_merged(*outlines) else None


def _apart(one: _Range, other: _Range) -> bool:
    return one[0] > other[1] or other[0] > one[1]


def ranges(paths: Iterable[Path], pairs: Pairs, kinds: Iterable[str]) -> dict[_Key, _Range]:
    """Return how often each thing, by kind and name, happens at least and at most."""
    counted: list[tuple[Counter[_Key], Counter[_Key]]] = []
    for path in paths:
        least: Counter[_Key] = Counter()
        most: Counter[_Key] = Counter()
        for event in path.events:
            if event.kind in kinds:
                key = (event.kind, pairs.get(event.name, event.name))
                least[key] += event.least
                most[key] = min(most[key] + event.most, ANY_NUMBER)
        counted.append((least, most))
    keys = {key for _, most in counted for key in most}
    return {
        key: (min(least[key] for least, _ in counted), max(most[key] for _, most in counted)) for key in keys
    }


def _difference(
    candidate: Side, pairs: Pairs, key: _Key, mine: Mapping[_Key, _Range], theirs: Mapping[_Key, _Range]
) -> Difference:
    counts = [_spoken(side.get(key, (0, 0))) for side in (mine, theirs)]
    return Difference(_message(*key, *counts), *_place(candidate, pairs, key))


def _place(candidate: Side, pairs: Pairs, key: _Key) -> tuple[int, int]:
    kind, name = key
    names = {mine for mine, theirs in pairs.items() if theirs == name} if kind == "launch" else {name}
    return candidate.place(kind, names or {name})


def _message(kind: str, name: str, mine: str, theirs: str) -> str:
    what = f"kernel {name} is launched" if kind == "launch" else f"the library operator `{name}` is called"
    return f"{what} {mine}, in the current code {theirs}: this stage keeps what is launched and called"


def _spoken(span: _Range) -> str:
    least, most = span
    if least == most:
        return {0: "never", 1: "once"}.get(least, f"{least} times")
    return f"{least} or more times" if most >= ANY_NUMBER else f"{least} to {most} times"


def _by_run(candidate: Side, current: Side, pairs: Pairs, *, launches: bool) -> tuple[Difference, ...] | None:
    counts = [_counted(candidate, pairs, launches=launches), _counted(current, {}, launches=launches)]
    if counts[0] is None or counts[1] is None or candidate.ran.cases.keys() - current.ran.cases.keys():
        return None
    mine, theirs = counts[0], counts[1]
    found = {
        key: ((mine[key],) * 2, (theirs[key],) * 2)
        for key in sorted(mine.keys() | theirs.keys())
        if mine[key] != theirs[key]
    }
    for case in candidate.ran.cases:
        found = _apart_on(case, candidate.ran, current.ran, pairs, launches=launches) | found
    return tuple(
        Difference(_message(*key, *map(_spoken, spans)), *_place(candidate, pairs, key))
        for key, spans in sorted(found.items())
    )


def _apart_on(
    case: str, mine: Ran, theirs: Ran, pairs: Pairs, *, launches: bool
) -> dict[_Key, tuple[_Range, _Range]]:
    """Return what the candidate did on a case less or more often than the current code."""
    spans = [
        _spans(mine.cases[case], pairs, launches=launches),
        _spans(theirs.cases[case], {}, launches=launches),
    ]
    first = _spans([theirs.first], {}, launches=launches)
    never = (0, 0)
    looked_at = all(one.operators is not None for ran in (mine, theirs) for one in ran.cases[case])
    found = {}
    for key in spans[0].keys() | spans[1].keys():
        one, other = (span.get(key, never) for span in spans)
        most = max(other[1], first.get(key, never)[1])
        if (looked_at or key[0] == "launch") and (one[0] < other[0] or one[1] > most):
            found[key] = (one, other)
    return found


def _spans(calls: Iterable[Counts], pairs: Pairs, *, launches: bool) -> dict[_Key, _Range]:
    """Return how often each thing happened at least and at most in a call."""
    counted = [
        _things(dict(call.operators or ()), dict(call.launches) if launches else {}, pairs) for call in calls
    ]
    keys = {key for counts in counted for key in counts}
    return {key: (min(one[key] for one in counted), max(one[key] for one in counted)) for key in keys}


def _counted(side: Side, pairs: Pairs, *, launches: bool) -> Counter[_Key] | None:
    ran = side.ran
    if ran.operators is None or (launches and ran.launches is None):
        return None
    return _things(ran.operators, (ran.launches or {}) if launches else {}, pairs)


def _things(operators: Mapping[str, int], launches: Mapping[str, int], pairs: Pairs) -> Counter[_Key]:
    found: Counter[_Key] = Counter({("operator", name): count for name, count in operators.items()})
    found.update({("launch", pairs.get(name, name)): count for name, count in launches.items()})
    return found
