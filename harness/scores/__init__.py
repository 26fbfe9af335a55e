"""Scores: pure functions from attempts to the numbers of the leaderboard. No storage, no output.

`selection` says which attempts count and which are stale, `placing` which may share a row; `formulas`
holds the mathematics, `resampling` the bootstrap, `rows` and `table` make the rows, `ranking` their
order, `comparison` sets two sides against each other, `words` puts numbers into text. Every row
carries `SCORE_VERSION`: change a formula, change the version. docs/scores.md explains each number.
"""

from harness.scores.comparison import Comparison, compare
from harness.scores.estimates import Estimate, Rate
from harness.scores.facts import facts_of
from harness.scores.formulas import BASELINES, KS, THRESHOLDS, Baseline, wilson
from harness.scores.placing import Place, legality, place_of
from harness.scores.rows import SCORE_VERSION, Score, Spread
from harness.scores.selection import LeftOut, is_counted, left_out, left_out_text
from harness.scores.table import Board, board_of, both_tables, overall_table, score_table
from harness.scores.words import percent, place_name, times

__all__ = [
    "BASELINES",
    "KS",
    "SCORE_VERSION",
    "THRESHOLDS",
    "Baseline",
    "Board",
    "Comparison",
    "Estimate",
    "LeftOut",
    "Place",
    "Rate",
    "Score",
    "Spread",
    "board_of",
    "both_tables",
    "compare",
    "facts_of",
    "is_counted",
    "left_out",
    "left_out_text",
    "legality",
    "overall_table",
    "percent",
    "place_name",
    "place_of",
    "score_table",
    "times",
    "wilson",
]
