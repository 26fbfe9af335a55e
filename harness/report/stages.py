"""Progress by stage: the best speed-up that each model has reached, stage after stage."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import accumulate

from harness.records import Facts
from harness.report.axes import Axis, Tick, log_axis
from harness.report.xy import HEIGHT, XY, Figure, Key, Mark, curve
from harness.scores import Place, legality, place_name, place_of, times


def progress(facts: Iterable[Facts], keys: Mapping[str, Key]) -> tuple[Figure, ...]:
    """Return a drawing for each problem and place with two stages or more, in the order of their first reply.

    Only what is legal in its stage counts; a stage without gain keeps what was reached before.
    """
    boards: dict[tuple[str, Place], list[Facts]] = defaultdict(list)
    for one in facts:
        if one.stage is not None:
            boards[one.problem, place_of(one)].append(one)
    found = []
    for (problem, place), members in sorted(
        boards.items(), key=lambda item: (item[0][0], place_name(item[0][1]))
    ):
        stages = list(dict.fromkeys(one.stage for one in sorted(members, key=lambda one: one.created)))
        best = {model: _best(members, model, stages) for model in sorted({one.model for one in members})}
        reached = {model: values for model, values in best.items() if any(values)}
        if len(stages) > 1 and reached:
            legend = tuple(keys[model] for model in reached)
            title = f"{problem} · {place_name(place)}"
            found.append(Figure(title=title, keys=legend, plots=(_plot(stages, reached, keys),)))
    return tuple(found)


def _best(members: list[Facts], model: str, stages: list[str | None]) -> list[float]:
    """Return the best speed-up up to each stage; 0 where nothing was legal yet."""
    own = [one for one in members if one.model == model and legality(one, "stage") and one.eager]
    each = [max((one.eager or 0.0 for one in own if one.stage == stage), default=0.0) for stage in stages]
    return list(accumulate(each, max))


def _plot(stages: list[str | None], reached: dict[str, list[float]], keys: Mapping[str, Key]) -> XY:
    x = Axis(0, len(stages) - 1, 12, 88, logarithmic=False)
    y = log_axis(
        [value for values in reached.values() for value in values if value] + [1.0], HEIGHT - 14, 14, times
    )
    lines, marks = [], []
    for model, values in reached.items():
        points = [(float(at), value) for at, value in enumerate(values) if value]
        lines.append(curve(keys[model].style, points, x, y))
        marks += [
            Mark(style=keys[model].style, x=x.place(at), y=y.place(value),
                 label=f"{model}, after {stages[int(at)]}: {times(value)} eager")
            for at, value in points
        ]  # fmt: skip
    return XY(
        title="best speed-up against eager, legal in its stage",
        label="; ".join(mark.label for mark in marks),
        x_name="stage",
        y_name="speed-up",
        x_ticks=tuple(Tick(at=x.place(at), text=stage or "") for at, stage in enumerate(stages)),
        y_ticks=y.ticks,
        curves=tuple(lines),
        marks=tuple(marks),
    )
