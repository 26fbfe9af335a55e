"""Time against cost: how fast a model's best candidate is, and what one correct candidate costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

from harness.report.axes import log_axis
from harness.report.xy import HEIGHT, XY, Figure, Key, Mark
from harness.scores import Score, board_of, times
from harness.scores.words import board_name, money


def spending(scores: Sequence[Score], keys: Mapping[str, Key]) -> tuple[Figure, ...]:
    """Return a drawing a board of the open track where cost or tokens are known; one mark a model."""
    found = []
    shown = [s for s in scores if s.track == "open" and not s.stale and s.speedup["eager"].geometric_mean]
    for board, group in groupby(shown, key=board_of):
        rows = list(group)
        plot = _plot(rows, keys, in_money=True) or _plot(rows, keys, in_money=False)
        if plot is not None:
            legend = tuple(keys[name] for name in sorted(row.model for row in rows))
            found.append(Figure(title=board_name(board), keys=legend, plots=(plot,)))
    return tuple(found)


def _plot(rows: Sequence[Score], keys: Mapping[str, Key], *, in_money: bool) -> XY | None:
    spent = {row.model: row.cost_per_pass.value if in_money else row.tokens_per_pass.value for row in rows}
    known = [row for row in rows if (spent[row.model] or 0) > 0]
    if not known:
        return None
    unit = "cost" if in_money else "tokens"

    def written(value: float | None) -> str:
        return money(value) if in_money else f"{value:,.0f}"

    x = log_axis([spent[row.model] or 0 for row in known], 3, 97, written)
    ends = [end for row in known for end in _ends(row)]
    y = log_axis(ends, HEIGHT - 14, 14, times)
    marks = []
    for row in known:
        low, middle, high = _ends(row)
        price = f"{written(spent[row.model])} {unit} for each correct candidate"
        marks.append(
            Mark(
                style=keys[row.model].style,
                x=x.place(spent[row.model] or 0),
                y=y.place(middle),
                low=y.place(low),
                high=y.place(high),
                label=f"{row.model}: {times(middle)} eager on average, {price}",
            )
        )
    return XY(
        title=f"mean speed-up against {unit} of one correct candidate",
        label="; ".join(mark.label for mark in marks),
        x_name=f"{unit} for each correct candidate",
        y_name="speed-up",
        x_ticks=x.ticks,
        y_ticks=y.ticks,
        marks=tuple(marks),
    )


def _ends(row: Score) -> tuple[float, float, float]:
    spread = row.speedup["eager"]
    middle = spread.geometric_mean or 1.0
    return spread.low or middle, middle, spread.high or middle
