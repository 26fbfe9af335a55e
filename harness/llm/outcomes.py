"""What a collector tells its caller of each call."""

from __future__ import annotations

from typing import Literal, NamedTuple

from eval.records import Record
from harness.llm.gathered import TRUNCATED
from harness.store import StoredReply

OutcomeKind = Literal["received", "kept", "failed", "elsewhere", "submitted"]


class Outcome(Record):
    """What came of one call."""

    kind: OutcomeKind
    """`kept` was in the store already, `elsewhere` is in flight in another process, and `submitted`
    stands in a batch file whose output was not imported yet."""
    stored: StoredReply
    """The row of the ledger; its `error` says why a call failed."""

    @property
    def truncated(self) -> bool:
        """Whether the reply was cut at the longest length."""
        return self.stored.reply.finish_reason == TRUNCATED

    @property
    def refused(self) -> bool:
        """Whether the model refused to answer."""
        return "refusal" in self.stored.extra


class Event(NamedTuple):
    """An outcome on its way from the collector's thread; its row is read where it arrives."""

    kind: OutcomeKind
    reply_id: int
