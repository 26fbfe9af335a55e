"""Puts the page together: one HTML file that loads nothing and in which no candidate's text can run.

The policy in the page's head names the hashes of our own script and style and allows nothing else;
what came from a model is escaped by Jinja or sits in JSON blocks that are drawn as text.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Sequence
from hashlib import sha256
from itertools import groupby
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from eval.records import Record
from harness.records import Attempt
from harness.report.outcomes import STATUSES, outcomes
from harness.report.rows import Row, row, sort_key
from harness.report.strip import strips
from harness.scores import (
    BASELINES,
    SCORE_VERSION,
    THRESHOLDS,
    Place,
    Score,
    left_out,
    left_out_text,
    percent,
    place_name,
    score_table,
    times,
)
from harness.scores.selection import is_counted
from harness.scores.words import measured_text

_HERE = Path(__file__).parent


class Board(Record):
    """The rows of one problem and place, the open track before the stage track."""

    title: str
    timed: bool
    tracks: tuple[tuple[Score, ...], ...]


def render(attempts: Iterable[Attempt], *, generated: str, store: str) -> str:
    """Return the report as one HTML document.

    `generated` and `store` are shown as they are. Struck attempts are counted and not listed;
    attempts judged under other rules are listed and not scored.
    """
    everything = list({attempt.id: attempt for attempt in attempts}.values())
    listed = [attempt for attempt in everything if attempt.void_reason is None]
    counted = [attempt for attempt in listed if is_counted(attempt)]
    rows = sorted((row(attempt) for attempt in listed), key=sort_key)
    scores = score_table(counted)
    script, style = _asset("code.js", "report.js"), _asset("report.css")
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            policy=_policy(script, style),
            script=Markup(script),  # noqa: S704 - our own file
            style=Markup(style),  # noqa: S704 - our own file
            title=_title(rows),
            generated=generated,
            store=store,
            left_out=left_out_text(left_out(everything)),
            score_version=SCORE_VERSION,
            baselines=BASELINES,
            thresholds=[f"{p:g}" for p in THRESHOLDS],
            boards=_boards(scores),
            strips=strips(counted),
            outcomes=outcomes(counted),
            statuses=STATUSES,
            rows=rows,
            models=sorted({line.model for line in rows}),
            problems=sorted({line.problem for line in rows}),
            places=sorted({line.place for line in rows}),
            summary=_summary(scores, counted),
        )
    )


def _title(rows: Sequence[Row]) -> str:
    problems = sorted({line.problem for line in rows})
    if not problems:
        return "Nothing judged yet"
    return " and ".join(problems) if len(problems) <= 2 else f"{len(problems)} problems"  # noqa: PLR2004


class Figure(Record):
    """One of the large numbers at the top."""

    value: str
    label: str
    note: str = ""


def _summary(scores: Sequence[Score], counted: Sequence[Attempt]) -> tuple[Figure, ...]:
    verdicts = [attempt.verdict for attempt in counted if attempt.verdict]
    passed = [verdict for verdict in verdicts if verdict.status == "passed"]
    decided = [v.tracks.stage for v in passed if v.tracks.stage is not None]
    errors = len(counted) - len(verdicts)
    best = max(
        (s for s in scores if s.speedup["eager"].best),
        key=lambda s: s.speedup["eager"].best or 0,
        default=None,
    )
    return (
        Figure(
            value=str(len(counted)),
            label="attempts",
            note=f"{errors} ended by an error of ours" if errors else "",
        ),
        Figure(value=str(len(passed)), label="correct", note=f"of {len(verdicts)} judged"),
        Figure(
            value=str(sum(decided)) if decided else "not decided",
            label="legal in their stage",
            note=f"of {len(decided)} decided" if decided else "",
        ),
        Figure(
            value=times(best.speedup["eager"].best) if best else "not timed",
            label="best against eager",
            note=f"{best.model}, {best.problem}" if best else "no GPU timed a pass",
        ),
    )


def _boards(scores: Sequence[Score]) -> tuple[Board, ...]:
    def home(score: Score) -> tuple[str, Place]:
        return score.problem, score.place

    boards = []
    for (problem, place), group in groupby(scores, key=home):
        members = list(group)
        tracks = tuple(tuple(rows) for _, rows in groupby(members, key=lambda score: score.track))
        timed = any(score.speedup["eager"].measured for score in members)
        boards.append(Board(title=f"{problem} · {place_name(place)}", timed=timed, tracks=tracks))
    return tuple(boards)


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE, encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "times": times, "measured": measured_text}
    return environment


def _asset(*names: str) -> str:
    return "\n" + "\n".join((_HERE / name).read_text(encoding="utf-8") for name in names)


def _policy(script: str, style: str) -> str:
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src '{_hash(script)}'",
            f"style-src '{_hash(style)}'",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
        )
    )


def _hash(text: str) -> str:
    return "sha256-" + b64encode(sha256(text.encode()).digest()).decode()
