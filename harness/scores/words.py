"""How the numbers are written, so that terminal, file and page say the same."""

from __future__ import annotations

from harness.scores.estimates import Estimate, Rate
from harness.scores.placing import Place
from harness.scores.rows import Score, Spread
from harness.scores.table import Board

_REASON_CHARS = 120
_EARLIER = ", baselines of the session"
NOTHING = "–"  # noqa: RUF001 - a dash on purpose: nothing to measure


def percent(share: float | None) -> str:
    """Write a share of 0 to 1 as whole percent."""
    return NOTHING if share is None else f"{100 * share:.0f} %"


def times(ratio: float | None) -> str:
    """Write a speed-up to three digits, with a times sign: 0.85, 2.96, 31.4, 310."""
    if ratio is None:
        return NOTHING
    digits = 2 if ratio < 10 else 1 if ratio < 100 else 0  # noqa: PLR2004 - three significant digits
    return f"{ratio:.{digits}f}\N{MULTIPLICATION SIGN}"


def rank_text(score: Score) -> str:
    """Write a rank, with an equals sign where others share it."""
    return NOTHING if score.rank is None else f"{score.rank}{'=' if score.tied else ''}"


def money(value: float | None) -> str:
    """Write an amount, in the currency of the prices that were given: 0.0042, 1.25, 310."""
    return NOTHING if value is None else f"{value:.2g}" if value < 1 else f"{value:.2f}"


def rate_text(rate: Rate | Estimate) -> str:
    """Write a rate with its interval: 71 % (45-88)."""
    if rate.value is None or rate.low is None or rate.high is None:
        return NOTHING
    return f"{percent(rate.value)} ({100 * rate.low:.0f}-{100 * rate.high:.0f})"


def measured_text(spread: Spread, correct: int, text: str) -> str:
    """Return `text`, or "not timed" where something is correct and nothing was measured."""
    return "not timed" if correct and not spread.measured else text


def place_name(place: Place) -> str:
    """Name a place for a heading."""
    if place.device == "cpu":
        return "CPU, Triton's interpreter"
    if place.device is None:
        return "device unknown"
    size = f", size {place.size}" if place.size else ""
    return (place.gpu or "unnamed GPU") + size + (_EARLIER if place.baselines == "session" else "")


def _one_line(reason: str) -> str:
    return " ".join(reason.split())[:_REASON_CHARS]


def board_name(board: Board) -> str:
    """Name a board for a heading; the tracks of a place share one."""
    name = f"{board.problem or 'all problems'} · {place_name(board.place)}"
    name += f" · QUARANTINED: {_one_line(board.quarantined)}" if board.quarantined else ""
    if not board.stale:
        return name
    text = f", text {board.edition.problem_hash[:8]}" if board.edition.problem_hash else ""
    return f"{name} · stale: evaluator {board.edition.evaluator}{text}"
