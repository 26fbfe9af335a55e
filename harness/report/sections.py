"""Everything on the page that is counted or drawn from facts: the same for the file and the live page."""

from __future__ import annotations

from collections.abc import Sequence

from eval.records import Record
from harness.records import Facts
from harness.report.curves import curves
from harness.report.journeys import Journey, journeys
from harness.report.outcomes import Outcomes, outcomes
from harness.report.overview import Board, Figure, boards, figures, title
from harness.report.roofline import Roofline, rooflines
from harness.report.spending import spending
from harness.report.stages import progress
from harness.report.strip import Strip, strips
from harness.report.xy import Figure as Drawing
from harness.report.xy import keys_of
from harness.scores import both_tables, is_counted, left_out, left_out_text
from harness.scores.selection import is_stale, newest_editions
from harness.store import RunInfo


class Ledger(Record):
    """What a store knows beside its attempts."""

    runs: tuple[RunInfo, ...] = ()
    price_sources: tuple[str, ...] = ()
    """Where prices are from that nobody gave."""


class Sections(Record):
    """What the templates draw above the list of attempts."""

    title: str
    left_out: str
    figures: tuple[Figure, ...]
    boards: tuple[Board, ...]
    stale_boards: tuple[Board, ...]
    strips: tuple[Strip, ...]
    curves: tuple[Drawing, ...]
    spending: tuple[Drawing, ...]
    rooflines: tuple[Roofline, ...]
    progress: tuple[Drawing, ...]
    journeys: tuple[Journey, ...]
    price_sources: tuple[str, ...]
    outcomes: Outcomes
    some_passed: bool
    any: bool
    stale_ids: frozenset[str]
    """Attempts that are marked in the list."""


def sections(everything: Sequence[Facts], ledger: Ledger | None = None) -> Sections:
    """Score, count and draw attempts; struck, stale and quarantined ones are in no plot."""
    beside = ledger or Ledger()
    counted = [one for one in everything if is_counted(one)]
    editions = newest_editions(counted)
    fresh = [one for one in counted if not is_stale(one, editions) and one.quarantined is None]
    scores, overall = both_tables(counted)
    keys = keys_of(one.model for one in counted)
    found = boards((*overall, *scores))
    return Sections(
        title=title([one for one in everything if not one.void]),
        left_out=left_out_text(left_out(everything)),
        figures=figures(scores, fresh),
        boards=tuple(board for board in found if not board.stale),
        stale_boards=tuple(board for board in found if board.stale),
        strips=strips(fresh),
        curves=curves(fresh, keys),
        spending=spending(scores, keys),
        rooflines=rooflines(fresh, keys),
        progress=progress(fresh, keys),
        journeys=journeys(beside.runs, everything),
        price_sources=beside.price_sources,
        outcomes=outcomes(fresh),
        some_passed=any(one.status == "passed" for one in fresh),
        any=any(not one.void for one in everything),
        stale_ids=frozenset(one.id for one in everything if is_stale(one, editions)),
    )
