"""The rows of the leaderboard: one a model, board and track, ranked within their board."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np

from eval.records import Track
from harness.records import Facts
from harness.scores.cells import Cell, Summed
from harness.scores.columns import Columns
from harness.scores.placing import Place, place_of
from harness.scores.ranking import ranked
from harness.scores.rows import Group, Score, quarantine_of, score_of
from harness.scores.selection import (
    Edition,
    edition_of,
    is_counted,
    is_stale,
    newest_editions,
    newest_of_each,
)

TRACKS: tuple[Track, ...] = ("open", "stage")


class Board(NamedTuple):
    """What rows must share to be ranked against each other."""

    problem: str | None
    """None: over all problems."""
    edition: Edition
    stale: bool
    place: Place
    track: Track
    quarantined: str | None = None


def board_of(score: Score) -> Board:
    """Return the board that a row stands on."""
    edition = Edition(score.evaluator, score.problem_hash)
    return Board(score.problem, edition, score.stale, score.place, score.track, score.quarantined)


def score_table(everything: Iterable[Facts]) -> tuple[Score, ...]:
    """Score every model on every problem, place and track; boards in order, ranked within each.

    An attempt that occurs twice (same id) counts once; what `is_counted` leaves out is in no row. The
    stage track holds only attempts that were made for a stage. Stale boards stand after the others.
    """
    return tuple(scores for scores in _tables(everything)[0])


def overall_table(everything: Iterable[Facts]) -> tuple[Score, ...]:
    """Score every model over all problems, where a place has several; not the stale or quarantined."""
    return tuple(scores for scores in _tables(everything, overall=True)[1])


def both_tables(everything: Iterable[Facts]) -> tuple[tuple[Score, ...], tuple[Score, ...]]:
    """Return `score_table` and `overall_table` for the cost of one."""
    return _tables(everything, overall=True)


def _tables(
    everything: Iterable[Facts], *, overall: bool = False
) -> tuple[tuple[Score, ...], tuple[Score, ...]]:
    unique = {facts.id: facts for facts in everything if is_counted(facts)}
    members = sorted(unique.values(), key=lambda facts: facts.id)
    rows = {facts.id: row for row, facts in enumerate(members)}
    editions = newest_editions(members)
    columns = Columns(members)
    single: list[Score] = []
    several: list[Score] = []
    for track in TRACKS:
        groups = _groups(members, track, editions)
        if not groups:
            continue
        summed = Summed(
            columns.matrix(track),
            columns.gains(track),
            [np.array([rows[facts.id] for facts in group.members]) for group in groups],
            [group.place.device == "cuda" for group in groups],
        )
        single += map(score_of, groups, summed.single())
        if overall:
            several += (score_of(*merged) for merged in _merged(groups, summed))
    return _in_boards(single), _in_boards(several)


def _groups(members: Sequence[Facts], track: Track, editions: Mapping[str, Edition]) -> list[Group]:
    boards: dict[tuple[object, ...], Board] = {}
    found: dict[tuple[str, Board], list[Facts]] = defaultdict(list)
    for facts in members:
        if track == "stage" and facts.stage is None:
            continue
        where = place_of(facts)
        known = (facts.problem, facts.problem_hash, facts.evaluator, where)
        if known not in boards:
            edition, stale = edition_of(facts, editions), is_stale(facts, editions)
            boards[known] = Board(facts.problem, edition, stale, where, track)
        found[facts.model, boards[known]].append(facts)
    return [
        Group(model, board.problem, track, board.place, *board.edition, board.stale, kept)
        for (model, board), group in found.items()
        for kept in (newest_of_each(group, by_stage=track == "stage"),)
    ]


def _merged(groups: Sequence[Group], summed: Summed) -> Iterable[tuple[Group, Cell]]:
    """Yield the groups over several problems: of each model in each place that has several."""
    parts: dict[tuple[str, Place], list[int]] = defaultdict(list)
    for at, group in enumerate(groups):
        if not group.stale and quarantine_of(group.members) is None:
            parts[group.model, group.place].append(at)
    several = {place for (_, place), members in parts.items() if len(members) > 1}
    for (model, place), unsorted in parts.items():
        if place in several:
            members = sorted(unsorted, key=lambda at: groups[at].problem or "")
            together = [facts for at in members for facts in groups[at].members]
            evaluators = " ".join(sorted({groups[at].evaluator for at in members}))
            track = groups[0].track
            yield Group(model, None, track, place, evaluators, None, False, together), summed.over(members)


def _key(score: Score) -> tuple[object, ...]:
    board = board_of(score)
    place = tuple(part or "" for part in board.place)
    edition = tuple(part or "" for part in board.edition)
    return board.stale, board.problem or "", place, edition, board.track


def _in_boards(scores: Iterable[Score]) -> tuple[Score, ...]:
    boards = groupby(sorted(scores, key=_key), key=_key)
    return tuple(row for _, board in boards for row in ranked(list(board)))
