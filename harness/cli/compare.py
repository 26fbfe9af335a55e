"""``kernel-harness compare``: two models or runs, paired by problem."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from eval.records import Track
from harness.cli.listing import print_json
from harness.errors import UsageError
from harness.files import nearest
from harness.records import Facts
from harness.scores import Comparison, compare, percent, place_name, times
from harness.scores.comparison import Difference, Pair
from harness.store import Store

_WORSE = 1
_NAMES = {
    "correct": "correct",
    "fast_1": "fast_1 against eager",
    "mean_speedup": "mean speed-up against eager",
}


def command(
    a: Annotated[str, typer.Argument(metavar="A", help="A model or the id of a run.", show_default=False)],
    b: Annotated[str, typer.Argument(metavar="B", help="What is compared with it.", show_default=False)],
    track: Annotated[Track, typer.Option(help="Track on which an attempt has to be legal.")] = "open",
    problem: Annotated[str | None, typer.Option(help="One problem alone.")] = None,
    fail: Annotated[bool, typer.Option("--fail", help="End with 1 where B is surely worse than A.")] = False,
    store: Annotated[Path, typer.Option(help="The store.")] = Path("kernel-harness.db"),
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a place.")] = False,
) -> int:
    """Compare B with A on the problems that both were judged on, at the same place."""
    with Store(store, read_only=True) as opened:
        sides = [_side(opened, name, problem) for name in (a, b)]
    found = compare(sides[0], sides[1], track)
    if not found:
        raise UsageError(f"{a} and {b} share no problem at the same place on the {track} track")
    if as_json:
        print_json(
            {
                "a": a,
                "b": b,
                "gpu": one.place.gpu,
                "baselines": one.place.baselines,
                **one.model_dump(exclude={"place"}),
                "worse": list(one.worse),
            }
            for one in found
        )
    else:
        sys.stdout.write("\n".join(line for one in found for line in _lines(a, b, one)))
    return _WORSE if fail and any(one.worse for one in found) else 0


def _side(store: Store, name: str, problem: str | None) -> list[Facts]:
    """Return the facts of a model, or of the run with that id or the only one that begins so."""
    facts = [one for one in store.facts() if one.model == name]
    if not facts:
        runs = [run.id for run in store.runs() if run.id.startswith(name)]
        if len(runs) != 1:
            known = [*dict.fromkeys(one.model for one in store.facts()), *(run.id for run in store.runs())]
            raise UsageError(f"no model and no run {name!r} in {store.path}{nearest(name, known)}")
        facts = list(store.facts(run=runs[0]))
    chosen = [one for one in facts if problem in {None, one.problem}]
    if not chosen:
        raise UsageError(f"{name} has no attempts on problem {problem!r}")
    return chosen


def _lines(a: str, b: str, found: Comparison) -> Iterator[str]:
    yield f"{place_name(found.place)}, {found.track} track: {b} against {a}"
    for difference in found.differences:
        yield f"  {_NAMES[difference.measure]}: {_difference(difference)}"
    counts = [sum(pair.outcome == kind for pair in found.pairs) for kind in ("win", "loss", "tie", "unknown")]
    yield "  {} wins, {} losses, {} ties, {} not known, by {}".format(*counts, _NAMES[found.measure])
    yield from (f"    {pair.outcome:8}{pair.problem}: {_pair(pair)}" for pair in found.pairs)
    for side, rest in ((a, found.only_a), (b, found.only_b)):
        if rest:
            yield f"  only {side}: {', '.join(rest)}"
    if found.worse:
        yield f"  {b} is surely worse: {', '.join(found.worse)}"
    yield ""


def _difference(found: Difference) -> str:
    gap = found.difference
    if found.measure != "mean_speedup":
        return f"{percent(found.a)} to {percent(found.b)}, {_points(gap.value, gap.low, gap.high)}"
    ends = f" ({times(gap.low)} to {times(gap.high)})" if gap.low is not None else ""
    return f"{times(found.a)} to {times(found.b)}, {times(gap.value)} as fast{ends}"


def _pair(pair: Pair) -> str:
    gap = pair.difference
    return f"{percent(pair.a)} to {percent(pair.b)}, {_points(gap.value, gap.low, gap.high)}"


def _points(value: float | None, low: float | None, high: float | None) -> str:
    if value is None:
        return "not known"
    ends = "" if low is None or high is None else f" ({100 * low:+.0f} to {100 * high:+.0f})"
    return f"{100 * value:+.0f} points{ends}"
