"""One problem carried through stages: prompt, replies, verdicts, keep or revert, and on from the best."""

from harness.optimize.journey import Journey
from harness.optimize.records import Budget, Plan, Step, Summary

__all__ = ["Budget", "Journey", "Plan", "Step", "Summary"]
