"""The top of the page: its heading, its large numbers, and the leaderboard's tables."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from eval.records import Record
from harness.records import Attempt
from harness.scores import Place, Score, place_name, times
from harness.scores.words import NOTHING


class Board(Record):
    """The rows of one problem and place, the open track before the stage track."""

    title: str
    timed: bool
    tracks: tuple[tuple[Score, ...], ...]


def title(attempts: Sequence[Attempt]) -> str:
    """Return the heading: the problems, or how many."""
    problems = sorted({attempt.problem for attempt in attempts})
    if not problems:
        return "Nothing judged yet"
    return " and ".join(problems) if len(problems) <= 2 else f"{len(problems)} problems"  # noqa: PLR2004


class Figure(Record):
    """One of the large numbers at the top."""

    value: str
    label: str
    note: str = ""


def figures(scores: Sequence[Score], counted: Sequence[Attempt]) -> tuple[Figure, ...]:
    """Return the large numbers: attempts, correct, legal, fastest."""
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
            value=str(sum(decided)) if decided else "not decided" if passed else "0",
            label="legal in their stage",
            note=f"of {len(decided)} decided" if decided else "",
        ),
        Figure(
            value=times(best.speedup["eager"].best) if best else "not timed" if passed else NOTHING,
            label="best against eager",
            note=f"{best.model} on {best.place.gpu or 'an unnamed GPU'}" if best else "no GPU timed a pass",
        ),
    )


def boards(scores: Sequence[Score]) -> tuple[Board, ...]:
    """Group ranked scores into the tables that the page shows."""

    def home(score: Score) -> tuple[str, Place]:
        return score.problem, score.place

    found = []
    for (problem, place), group in groupby(scores, key=home):
        members = list(group)
        tracks = tuple(tuple(rows) for _, rows in groupby(members, key=lambda score: score.track))
        timed = any(score.speedup["eager"].measured for score in members)
        found.append(Board(title=f"{problem} · {place_name(place)}", timed=timed, tracks=tracks))
    return tuple(found)
