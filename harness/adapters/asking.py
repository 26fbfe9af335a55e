"""What comes of a question to the judge, in the forms that others need: an outcome, an attempt."""

from __future__ import annotations

from datetime import UTC, datetime

from eval import EVALUATOR_VERSION, Verdict
from eval.records import Failed, Record
from harness.adapters.library import Library
from harness.extract import extract
from harness.judge_server.records import Question
from harness.prompts import Demand, Given, demand
from harness.records import Attempt, Candidate, Reply


class Outcome(Record):
    """A verdict, or why there is none, which is never the candidate's doing."""

    verdict: Verdict | None = None
    error: str | None = None


def taken_out(question: Question) -> Candidate | Failed:
    """Return the candidate, or the verdict on a text that holds none; never raises for what it holds."""
    return extract(_text(question), is_code=question.code is not None)


def held(question: Question, library: Library) -> Demand:
    """Return what the question's stage and GPU hold a candidate to; raise `UsageError` as `Library` does."""
    stage = library.stage(question.stage) if question.stage is not None else None
    gpu = library.gpu(question.gpu).name if question.gpu is not None else None
    given = Given(code=question.current_code, gpu=gpu)
    return demand(library.problem(question.problem), stage, given)


def as_attempt(question: Question, outcome: Outcome) -> Attempt:
    """Return both as an attempt that no store holds, for what is told of attempts: lines, feedback."""
    found = taken_out(question)
    return Attempt(
        id="", run="asked", problem=question.problem, stage=question.stage, gpu=question.gpu,
        reply=Reply(model="", sample=0, text=_text(question), is_code=question.code is not None),
        candidate=found if isinstance(found, Candidate) else None, verdict=outcome.verdict,
        error=outcome.error, evaluator=EVALUATOR_VERSION, created=datetime.now(UTC).isoformat(),
        rules=question.rules, size=question.size,
    )  # fmt: skip


def _text(question: Question) -> str:
    return question.code if question.code is not None else question.reply or ""
