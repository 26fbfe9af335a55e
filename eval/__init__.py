"""The judge: a `Job` in, a `Verdict` out.

It knows nothing of prompts, models or storage, and needs pydantic, numpy, torch and triton alone.
"""

from eval.client import Judge, JudgeFailedError, evaluate
from eval.records import (
    Case,
    Failed,
    Incorrect,
    Job,
    Limits,
    Passed,
    Problem,
    Rejected,
    Timing,
    Verdict,
    Violation,
)

EVALUATOR_VERSION = "14"
"""Raised whenever the same candidate could get another verdict."""

__all__ = [
    "EVALUATOR_VERSION",
    "Case",
    "Failed",
    "Incorrect",
    "Job",
    "Judge",
    "JudgeFailedError",
    "Limits",
    "Passed",
    "Problem",
    "Rejected",
    "Timing",
    "Verdict",
    "Violation",
    "evaluate",
]
