"""What ends a candidate's trial: a value that becomes its verdict."""

from __future__ import annotations

from eval.records import Failed, FailedPhase, Incorrect, IncorrectReason, Rejected, RejectedReason

Fault = Incorrect | Rejected | Failed
"""A verdict that says only how it ended; `eval.judge.trial` adds where and under which guarantees."""


class FaultRaised(Exception):  # noqa: N818 - carries a value to its one owner, `eval.judge.trial`
    """Carries a `Fault` from where it is found to where the verdict is made."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.detail)
        self.fault = fault

    @property
    def detail(self) -> str:
        """What happened, for a person."""
        return self.fault.detail or ""

    @property
    def phase(self) -> FailedPhase | None:
        """How far the candidate came; None where it ran to the end."""
        return self.fault.phase if isinstance(self.fault, Failed) else None


class JudgeError(Exception):
    """Our own failure: the problem's files, the machine, or a bug; never the candidate's."""


class ProblemRefusedError(JudgeError):
    """The problem cannot be judged, whatever the candidate; the message begins with what is wrong."""


class BaselineFailedError(JudgeError):
    """A baseline failed while it took turns."""

    def __init__(self, role: str, detail: str) -> None:
        super().__init__(f"baseline {role}: {detail}")
        self.role = role
        """``eager``, ``compile`` or ``current``."""


class BrokenJudgeError(JudgeError):
    """A failure after which this judge is of no more use: a new one must take its place."""


def incorrect(reason: IncorrectReason, detail: str) -> FaultRaised:
    """Return the exception for a wrong answer."""
    return FaultRaised(Incorrect(reason=reason, detail=detail, defence=reason))


def rejected(reason: RejectedReason, detail: str, defence: str) -> FaultRaised:
    """Return the exception for an answer that is not accepted, right or wrong."""
    return FaultRaised(Rejected(reason=reason, detail=detail, defence=defence))


def failed(phase: FailedPhase, detail: str) -> FaultRaised:
    """Return the exception for a candidate that did not run to the end."""
    return FaultRaised(Failed(phase=phase, detail=detail, defence=phase))
