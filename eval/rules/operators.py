"""The other half of `library_compute`: Python's operators on tensors, and calls of torch's modules."""

from __future__ import annotations

from collections.abc import Iterator

from eval.records import Violation
from eval.rules.candidate import Candidate
from eval.rules.flow import analysed
from eval.rules.library import RULE
from eval.rules.report import violation
from eval.rules.values import TooEntangledError


def check(candidate: Candidate) -> Iterator[Violation]:
    """Yield a violation for each operator on a tensor in code that runs; the judge's log sees the rest."""
    try:
        notes = analysed(candidate).notes
    except TooEntangledError:
        message = "this file cannot be followed in reasonable time: write less code, with fewer nested loops"
        yield violation(RULE, candidate.module.tree, message)
        return
    for node, message in notes.values():
        yield violation(RULE, node, message)
