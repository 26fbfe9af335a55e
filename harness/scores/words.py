"""How the numbers are written, so that terminal, file and page say the same."""

from __future__ import annotations

from harness.scores.formulas import Rate, Spread
from harness.scores.placing import Place

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


def rate_text(rate: Rate) -> str:
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
    return (place.gpu or "unnamed GPU") + (f", size {place.size}" if place.size else "")
