"""Replies in, rewards out: what the reward functions of all trainers share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.adapters.judges import TIMEOUT_S, Judges
from harness.errors import UsageError
from harness.judge_server.records import Question
from harness.reward import Reward, RewardSettings, reward

COLUMNS = ("problem", "stage", "gpu", "size", "current_code")
"""Columns of a data set that say what a reply is judged on; only the first is needed."""


class Scorer:
    """Judges replies and says what they are worth; waits no longer than `timeout_s` for a batch."""

    def __init__(
        self, judges: Judges, settings: RewardSettings | None = None, *, timeout_s: float = TIMEOUT_S,
        **defaults: str | None,
    ) -> None:  # fmt: skip
        """`defaults` stand in for `COLUMNS` that a row does not have.

        Raises `UsageError`: a default is none of them.
        """
        unknown = sorted(set(defaults) - set(COLUMNS))
        if unknown:
            raise UsageError(f"{', '.join(unknown)}: no column; there are: {', '.join(COLUMNS)}")
        self._judges, self._settings = judges, settings or RewardSettings()
        self._timeout_s, self._defaults = timeout_s, defaults

    def score(self, replies: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> list[Reward]:
        """Return a reward for each reply; `rows` are the data set's, one for each.

        Raises `UsageError`: a row names no problem, or one that is not here.
        """
        questions = [self._question(text, row) for text, row in zip(replies, rows, strict=True)]
        outcomes = self._judges.ask(questions, self._timeout_s)
        worth = [reward(outcome.verdict, self._settings) for outcome in outcomes]
        return [
            one.model_copy(update={"why": outcome.error}) if outcome.error is not None else one
            for one, outcome in zip(worth, outcomes, strict=True)
        ]

    def _question(self, text: str, row: Mapping[str, Any]) -> Question:
        told = {name: row.get(name) or self._defaults.get(name) for name in COLUMNS}
        if told["problem"] is None:
            raise UsageError("a row names no problem: give the data set a column `problem`, or a default")
        timing = self._settings.speed > 0 or self._settings.floor > 0
        return Question.model_validate({**told, "reply": text, "timing": timing})
