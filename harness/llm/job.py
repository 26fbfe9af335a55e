"""A call on its way: which samples it is to give, which rows stand for them, how often it was sent."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from harness.records import Prompt


class Job(NamedTuple):
    """A prompt, and the samples that one call is to give."""

    prompt: Prompt
    samples: tuple[int, ...]


class OpenCall:
    """The part of a job that has not come yet."""

    def __init__(self, job: Job) -> None:
        self.prompt = job.prompt
        self.rows: dict[int, int | None] = dict.fromkeys(job.samples)
        """Row of each sample that is still to come; None where it has to be claimed."""
        self.broken: dict[int, int] = {}
        """Row that holds the broken reply of a sample."""
        self.tries = 0

    @property
    def done(self) -> bool:
        """Whether every sample has come, or is another's."""
        return not self.rows

    @property
    def unclaimed(self) -> list[int]:
        """Samples without a row."""
        return [sample for sample, row in self.rows.items() if row is None]

    def next_rows(self, together: int) -> dict[int, int]:
        """Return the rows of the samples that are asked for in the next call."""
        claimed = [(sample, row) for sample, row in self.rows.items() if row is not None]
        return dict(claimed[:together])

    def close(self, whole: Collection[int], broken: Collection[int]) -> None:
        """Take out the rows that are whole, and let broken ones be claimed again."""
        for sample, row in list(self.rows.items()):
            if row in whole:
                del self.rows[sample]
            elif row is not None and row in broken:
                self.rows[sample] = None
                self.broken[sample] = row
