"""Scores: pure functions from attempts to the numbers of the leaderboard. No storage, no output.

`formulas` holds the mathematics, `placing` says which attempts may share a row, `table` makes the
rows and ranks them, `words` puts numbers into text. Every row
carries `SCORE_VERSION`: change a formula, change the version.
"""

from harness.scores.formulas import BASELINES, THRESHOLDS, Baseline, Rate, Spread, fast_p, wilson
from harness.scores.placing import Place, legality, place_all
from harness.scores.table import SCORE_VERSION, Score, board_of, score_table
from harness.scores.words import percent, place_name, times

__all__ = [
    "BASELINES",
    "SCORE_VERSION",
    "THRESHOLDS",
    "Baseline",
    "Place",
    "Rate",
    "Score",
    "Spread",
    "board_of",
    "fast_p",
    "legality",
    "percent",
    "place_all",
    "place_name",
    "score_table",
    "times",
    "wilson",
]
