"""The leaderboard in the four forms that a command prints: table, JSON lines, CSV, Markdown."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.scores import BASELINES, Baseline, Estimate, Score, board_of, percent, times
from harness.scores.words import NOTHING, board_name, measured_text, rank_text, rate_text

if TYPE_CHECKING:
    from rich.table import Table


class _Column(NamedTuple):
    head: str
    cell: Callable[[Score], str]
    left: bool = False
    width: int = 0
    """Left out of a table for a terminal with fewer columns; files always have it."""


def _best(baseline: Baseline, width: int = 0) -> _Column:
    def cell(score: Score) -> str:
        spread = score.speedup[baseline]
        return measured_text(spread, score.correct.count, times(spread.best))

    return _Column(f"best vs {baseline}", cell, width=width)


def _model(score: Score) -> str:
    """Return the name without what a terminal would obey."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in score.model)


def _median(score: Score) -> str:
    spread = score.speedup["eager"]
    return measured_text(spread, score.correct.count, times(spread.median))


def _speed(score: Score) -> str:
    return measured_text(score.speedup["eager"], score.correct.count, NOTHING)


_MEDIUM, _WIDE = 100, 140

_FIRST = (
    _Column("#", rank_text),
    _Column("model", _model, left=True),
    _Column("track", lambda score: score.track, left=True),
    _Column("attempts", lambda score: str(score.attempts)),
    _Column("correct (95\u00a0%)", lambda score: rate_text(score.correct)),
)
_TIMED = (
    _best("eager"),
    _best("compile", _WIDE),
    _best("current", _MEDIUM),
    _Column("median vs eager", _median, width=_WIDE),
    _Column("fast_1", lambda score: percent(score.fast_p["eager"]["1"].value)),
    _Column("of floor", lambda score: percent(score.floor.best), width=_WIDE),
)
_UNTIMED = (_Column("speed-up", _speed),)
_LAST = (
    _Column("stage legal", lambda score: percent(score.stage_legal.value), width=_WIDE),
    _Column("rejected", lambda score: percent(score.rejected.value), width=_MEDIUM),
    _Column("not decided", lambda score: str(score.undecided + score.unsupported), width=_WIDE),
    _Column("errors", lambda score: str(score.errors)),
)


def _columns(scores: Sequence[Score]) -> tuple[_Column, ...]:
    timed = any(score.speedup["eager"].measured for score in scores)
    return (*_FIRST, *(_TIMED if timed else _UNTIMED), *_LAST)


def _boards(scores: Sequence[Score]) -> list[tuple[str, list[Score]]]:
    groups = groupby(scores, key=lambda score: board_name(board_of(score)))
    return [(name, list(rows)) for name, rows in groups]


def as_row(score: Score) -> dict[str, Any]:
    """Return the row of ``leaderboard --json``: numbers or null, never a number for "not measured"."""
    speedup = score.speedup
    return {
        "model": score.model,
        "problem": score.problem,
        "gpu": score.place.gpu,
        "track": score.track,
        "rank": score.rank,
        "tied": score.tied,
        "attempts": score.attempts,
        "correct": score.correct.count,
        "correct_rate": score.correct.value,
        "correct_low": score.correct.low,
        "correct_high": score.correct.high,
        "fast_p": {b: {p: found.value for p, found in score.fast_p[b].items()} for b in BASELINES},
        "fast_p_low": {b: {p: found.low for p, found in score.fast_p[b].items()} for b in BASELINES},
        "fast_p_high": {b: {p: found.high for p, found in score.fast_p[b].items()} for b in BASELINES},
        "best_speedup": {baseline: speedup[baseline].best for baseline in BASELINES},
        "median_speedup": {baseline: speedup[baseline].median for baseline in BASELINES},
        "mean_speedup": {baseline: speedup[baseline].geometric_mean for baseline in BASELINES},
        "mean_speedup_low": {baseline: speedup[baseline].low for baseline in BASELINES},
        "mean_speedup_high": {baseline: speedup[baseline].high for baseline in BASELINES},
        "timed": {baseline: speedup[baseline].measured for baseline in BASELINES},
        "coverage": {baseline: speedup[baseline].coverage for baseline in BASELINES},
        "fraction_of_floor": {
            "best": score.floor.best,
            "median": score.floor.median,
            "mean": score.floor.geometric_mean,
        },
        **_with_interval("pass_at", score.pass_at),
        **_with_interval("best_at", score.best_at),
        "stage_legal_rate": score.stage_legal.value,
        "rejected_rate": score.rejected.value,
        "cheating_rate": score.cheating.value,
        "cost": score.cost,
        "cost_per_pass": score.cost_per_pass.value,
        "tokens_per_pass": score.tokens_per_pass.value,
        "decided": score.correct.total,
        "undecided": score.undecided,
        "unsupported": score.unsupported,
        "errors": score.errors,
        "statuses": score.statuses,
        "device": score.place.device,
        "size": score.place.size,
        "baselines": score.place.baselines,
        "problems": score.problems,
        "stages": list(score.stages),
        "evaluator": score.evaluator,
        "problem_hash": score.problem_hash,
        "stale": score.stale,
        "quarantined": score.quarantined,
        "score_version": score.version,
    }


def _with_interval(name: str, by_k: dict[str, Estimate]) -> dict[str, Any]:
    return {
        name: {k: found.value for k, found in by_k.items()},
        f"{name}_low": {k: found.low for k, found in by_k.items()},
        f"{name}_high": {k: found.high for k, found in by_k.items()},
    }


def as_json_lines(scores: Sequence[Score]) -> str:
    """Return one JSON object a line."""
    return "".join(json.dumps(as_row(score), ensure_ascii=False) + "\n" for score in scores)


_STATUSES = ("passed", "incorrect", "rejected", "failed")


def _flat(score: Score) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in as_row(score).items():
        if name == "statuses":
            flat |= {status: score.statuses.get(status, 0) for status in _STATUSES}
        elif name.startswith("fast_p"):
            end = name.removeprefix("fast_p")
            flat |= {f"fast_{p}_{b}{end}": v for b, by_p in value.items() for p, v in by_p.items()}
        elif isinstance(value, dict):
            flat |= {f"{name}_{key}": item for key, item in value.items()}
        else:
            flat[name] = " ".join(value) if isinstance(value, list) else value
    return flat


def as_csv(scores: Sequence[Score]) -> str:
    """Return CSV with a header; an empty field is "not measured". Empty text for no rows."""
    if not scores:
        return ""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(_flat(scores[0])), lineterminator="\n")
    writer.writeheader()
    writer.writerows(_flat(score) for score in scores)
    return text.getvalue()


def _markdown_row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in cells) + " |"


def as_markdown(scores: Sequence[Score]) -> str:
    """Return one Markdown table a problem and place, each under a heading."""
    parts: list[str] = []
    for title, rows in _boards(scores):
        columns = _columns(rows)
        lines = [
            _markdown_row([column.head for column in columns]),
            _markdown_row([":--" if column.left else "--:" for column in columns]),
            *(_markdown_row([column.cell(row) for column in columns]) for row in rows),
        ]
        parts.append(f"### {title}\n\n" + "\n".join(lines) + "\n")
    return "\n".join(parts)


def as_tables(scores: Sequence[Score], width: int) -> list[Table]:
    """Return one rich table a problem and place, for a terminal of `width` columns."""
    return [_table(title, rows, width) for title, rows in _boards(scores)]


def _table(title: str, rows: Sequence[Score], width: int) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    columns = [column for column in _columns(rows) if width >= column.width]
    table = Table(
        title=Text(title, style="bold"),
        title_justify="left",
        box=SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for column in columns:
        head = "\n".join(column.head.rsplit(" ", maxsplit=1))
        room = max(len(line) for line in (*head.split("\n"), *(column.cell(row) for row in rows)))
        fixed = None if column.head == "model" else room
        table.add_column(head, justify="left" if column.left else "right", overflow="fold", width=fixed)
    for before, row in zip([None, *rows], rows, strict=False):
        if before is not None and before.track != row.track:
            table.add_section()
        table.add_row(*(Text(column.cell(row)) for column in columns))
    return table
