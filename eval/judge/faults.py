"""What ends a candidate's trial: a value that becomes its verdict."""

from __future__ import annotations

from typing import Literal

from eval.records import FailedPhase, IncorrectReason, Record, RejectedReason


class Fault(Record):
    """A candidate's failure: how it ends and what to tell the person."""

    status: Literal["incorrect", "rejected", "failed"]
    reason: IncorrectReason | RejectedReason | None = None
    phase: FailedPhase | None = None
    detail: str
    defence: str


class FaultRaised(Exception):  # noqa: N818 - carries a value to its one owner, `eval.judge.trial`
    """Carries a `Fault` from where it is found to where the verdict is made."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.detail)
        self.fault = fault


class JudgeError(Exception):
    """Our own failure: the problem's files, the machine, or a bug; never the candidate's."""


def incorrect(reason: IncorrectReason, detail: str) -> FaultRaised:
    """Return the exception for a wrong answer."""
    return FaultRaised(Fault(status="incorrect", reason=reason, detail=detail, defence=reason))


def rejected(reason: RejectedReason, detail: str, defence: str) -> FaultRaised:
    """Return the exception for an answer that is not accepted, right or wrong."""
    return FaultRaised(Fault(status="rejected", reason=reason, detail=detail, defence=defence))


def failed(phase: FailedPhase, detail: str) -> FaultRaised:
    """Return the exception for a candidate that did not run to the end."""
    return FaultRaised(Fault(status="failed", phase=phase, detail=detail, defence=phase))
