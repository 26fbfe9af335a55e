"""fast_p as a curve: the share that is correct and more than p times as fast, for every p."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from math import isnan

from eval.records import Track
from harness.records import Facts
from harness.report.axes import Axis
from harness.report.xy import HEIGHT, XY, Figure, Key, curve
from harness.scores import BASELINES, Baseline, Place, legality, place_name, place_of
from harness.scores.formulas import correct_rate

_LAST, _STEPS = 4.0, 80
_NAMES = {"eager": "eager PyTorch", "compile": "torch.compile", "current": "the current code"}
_TRACKS: tuple[Track, ...] = ("open", "stage")


def curves(facts: Iterable[Facts], keys: Mapping[str, Key]) -> tuple[Figure, ...]:
    """Return a figure a place and track, with a drawing a baseline; every problem has the same weight."""
    groups: dict[tuple[Place, Track], list[Facts]] = defaultdict(list)
    for one in facts:
        for track in _TRACKS if one.stage is not None else _TRACKS[:1]:
            if one.device == "cuda":
                groups[place_of(one), track].append(one)
    found = []
    for (place, track), members in sorted(
        groups.items(), key=lambda item: (place_name(item[0][0]), item[0][1])
    ):
        plots = [plot for baseline in BASELINES if (plot := _plot(members, track, baseline, keys))]
        shown = sorted({one.model for one in members})
        if plots:
            title = f"{place_name(place)} · {track} track"
            found.append(Figure(title=title, keys=tuple(keys[m] for m in shown), plots=tuple(plots)))
    return tuple(found)


def _plot(members: Sequence[Facts], track: Track, baseline: Baseline, keys: Mapping[str, Key]) -> XY | None:
    if not any(one.status == "passed" and getattr(one, baseline) for one in members):
        return None
    x = Axis(0, _LAST, 1, 98, logarithmic=False, text=lambda value: f"{value:g}\N{MULTIPLICATION SIGN}")
    y = Axis(0, 1, HEIGHT - 4, 8, logarithmic=False, text=lambda value: f"{100 * value:.0f} %")
    by_model: dict[str, dict[str, list[Facts]]] = defaultdict(lambda: defaultdict(list))
    for one in members:
        by_model[one.model][one.problem].append(one)
    grid = [_LAST * step / _STEPS for step in range(_STEPS + 1)]
    lines, said = [], []
    for model, problems in sorted(by_model.items()):
        shares = [share for rows in problems.values() if (share := _shares(rows, track, baseline, grid))]
        if shares:
            means = [sum(column) / len(shares) for column in zip(*shares, strict=True)]
            lines.append(curve(keys[model].style, list(zip(grid, means, strict=True)), x, y))
            said.append(f"{model} {100 * means[_STEPS // 4]:.0f} %")
    return XY(
        title=f"against {_NAMES[baseline]}",
        label=f"fast_p against {_NAMES[baseline]}; at p = 1: {', '.join(said)}",
        x_name="p",
        y_name="share",
        x_ticks=x.ticks,
        y_ticks=y.ticks,
        curves=tuple(lines),
    )


def _shares(
    members: Sequence[Facts], track: Track, baseline: Baseline, grid: Sequence[float]
) -> list[float] | None:
    """Return fast_p at each p of the grid, as `scores.formulas.fast_p` defines it; None where it is not."""
    legal = [legality(one, track) for one in members]
    decided = sum(yes is not None for yes in legal)
    correct = [one for one, yes in zip(members, legal, strict=True) if yes]
    passes = [yes for one, yes in zip(members, legal, strict=True) if legality(one, "open")]
    known = sum(yes is not None for yes in passes)
    rate = float(correct_rate(len(correct), decided, known, len(passes)))
    times = sorted(value for one in correct if (value := getattr(one, baseline)) is not None and value > 0)
    if isnan(rate) or (correct and not times):
        return None
    each = rate / len(times) if times else 0.0
    above, shares = len(times), []
    for p in grid:
        while above and times[len(times) - above] <= p:
            above -= 1
        shares.append(above * each)
    return shares
