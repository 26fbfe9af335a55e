"""The other half of `library_compute`: Python's operators on tensors, and calls of torch's modules."""

from __future__ import annotations

from collections.abc import Iterator

from eval.records import Violation
from eval.rules.candidate import Candidate
from eval.rules.flow import analysed
from eval.rules.library import RULE
from eval.rules.report import violation


def check(candidate: Candidate) -> Iterator[Violation]:
    """Yield a violation for each operator on a tensor in code that runs; the judge's log sees the rest."""
    for node, message in analysed(candidate).notes.values():
        yield violation(RULE, node, message)
