"""The top of the page: its heading, its large numbers, and the leaderboard's tables."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from eval.records import Record
from harness.records import Facts
from harness.scores import Score, board_of, times
from harness.scores.words import NOTHING, board_name


class Board(Record):
    """The rows of one problem and place, the open track before the stage track."""

    title: str
    overall: bool
    """Over several problems."""
    stale: bool
    timed: bool
    priced: bool
    """The cost of some correct candidate is known, in money or in tokens."""
    tracks: tuple[tuple[Score, ...], ...]


def title(facts: Sequence[Facts]) -> str:
    """Return the heading: the problems, or how many."""
    problems = sorted({one.problem for one in facts})
    if not problems:
        return "Nothing judged yet"
    return " and ".join(problems) if len(problems) <= 2 else f"{len(problems)} problems"  # noqa: PLR2004


class Figure(Record):
    """One of the large numbers at the top."""

    value: str
    label: str
    note: str = ""


def figures(scores: Sequence[Score], counted: Sequence[Facts]) -> tuple[Figure, ...]:
    """Return the large numbers: attempts, correct, legal, fastest."""
    judged = [one for one in counted if one.status is not None]
    passed = [one for one in judged if one.status == "passed"]
    decided = [one.stage_legal for one in passed if one.stage_legal is not None]
    errors = len(counted) - len(judged)
    best = max(
        (s for s in scores if s.speedup["eager"].best and _for_all_to_see(s)),
        key=lambda s: s.speedup["eager"].best or 0,
        default=None,
    )
    return (
        Figure(
            value=str(len(counted)),
            label="attempts",
            note=f"{errors} ended by an error of ours" if errors else "",
        ),
        Figure(value=str(len(passed)), label="correct", note=f"of {len(judged)} judged"),
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


def _for_all_to_see(score: Score) -> bool:
    return not score.stale and score.quarantined is None and score.place.baselines == "live"


def boards(scores: Sequence[Score]) -> tuple[Board, ...]:
    """Group ranked scores into the tables that the page shows."""
    found = []
    for name, group in groupby(scores, key=lambda score: board_name(board_of(score))):
        members = list(group)
        tracks = tuple(tuple(rows) for _, rows in groupby(members, key=lambda score: score.track))
        found.append(
            Board(
                title=name,
                overall=members[0].problem is None,
                stale=members[0].stale,
                timed=any(score.speedup["eager"].measured for score in members),
                priced=any(score.tokens_per_pass.value is not None for score in members),
                tracks=tracks,
            )
        )
    return tuple(found)
