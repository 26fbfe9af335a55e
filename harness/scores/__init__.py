"""Scores: pure functions from attempts to the numbers of the leaderboard. No storage, no output.

`selection` says which attempts count, `placing` which of them may share a row; `formulas` holds the
mathematics, `table` makes the rows and ranks them, `words` puts numbers into text. Every row carries
`SCORE_VERSION`: change a formula, change the version.
"""

from harness.scores.formulas import BASELINES, THRESHOLDS, Baseline, Rate, Spread, fast_p, wilson
from harness.scores.placing import Place, legality, place_of
from harness.scores.selection import LeftOut, is_counted, left_out, left_out_text
from harness.scores.table import SCORE_VERSION, Score, board_of, score_table
from harness.scores.words import percent, place_name, times

__all__ = [
    "BASELINES",
    "SCORE_VERSION",
    "THRESHOLDS",
    "Baseline",
    "LeftOut",
    "Place",
    "Rate",
    "Score",
    "Spread",
    "board_of",
    "fast_p",
    "is_counted",
    "left_out",
    "left_out_text",
    "legality",
    "percent",
    "place_name",
    "place_of",
    "score_table",
    "times",
    "wilson",
]
