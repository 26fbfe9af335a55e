"""What goes over the wire."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from eval.records import Record, RulesMode, Verdict

TicketState = Literal["waiting", "judging", "done", "error", "cancelled"]


class Question(Record):
    """One candidate to judge; an unknown field is an error."""

    problem: str
    """Name of a problem that the server has."""
    code: str | None = None
    """The candidate itself; else give `reply`."""
    reply: str | None = None
    """A model's whole answer, from which the code is taken."""
    stage: str | None = None
    """Name of the stage whose rules decide `tracks.stage`."""
    gpu: str | None = None
    """Name of the prompt's GPU, for the rules of the stage."""
    current_code: str | None = None
    """Instead of the problem's own."""
    size: str | None = None
    """Name of a size profile; None is the official one."""
    rules: RulesMode = "strict"
    timing: bool = True
    """On a GPU, time what is correct."""
    timeout_s: Annotated[float, Field(gt=0)] | None = None
    """Seconds that the candidate may take, up to the server's own limit."""

    @model_validator(mode="after")
    def _one_text(self) -> Self:
        if (self.code is None) == (self.reply is None):
            raise ValueError("give either `code` or `reply`")
        return self


class Answer(Record):
    """A verdict and what it is of."""

    problem: str
    problem_hash: str
    candidate_hash: str
    """sha256 of the code, or of the reply where none was found in it; hexadecimal."""
    first_line: int | None = None
    """1-based line of the reply on which the code starts; None for `code`, or where none was found."""
    stage: str | None = None
    size: str | None = None
    evaluator: str
    verdict: Verdict


class TicketView(Record):
    """How far a job is."""

    id: str
    state: TicketState
    answer: Answer | None = None
    """Once it is `done`."""
    error: str | None = None
    """Our own failure, where the state is `error`: the same question may be asked again."""
