"""The records that `export` writes. Fields may be added; none changes its meaning or goes."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from eval.records import Record
from harness.lines import Line, line_of
from harness.records import Attempt, Prompt
from harness.store import StoredReply

FORMAT_VERSION = 1


class ExportedAttempt(Record):
    """One attempt with all that led to it: a line of ``--format jsonl``."""

    format: int = Field(default=FORMAT_VERSION, description="Version of this form.")
    id: str = Field(description="Id of the attempt, as `show` takes it.")
    run: str
    created: str = Field(description="UTC, ISO 8601.")
    problem: str
    stage: str | None
    gpu: str | None = Field(description="GPU of the prompt.")
    model: str = Field(description="Name that the leaderboard shows.")
    model_id: str | None = Field(description="What the endpoint says answered.")
    sample: int
    parameters: dict[str, Any] = Field(description="What was sent beside the prompt.")
    prompt_hash: str | None
    prompt: str | None = Field(description="Text; null for a reply that came from a file.")
    reply: str = Field(description="Raw text.")
    reasoning: str | None
    refusal: str | None
    finish_reason: str | None = Field(description="`length` marks a reply that was cut.")
    usage: dict[str, Any] = Field(description="As the endpoint stated it.")
    cost: float | None = Field(description="In the currency of the model's price.")
    price_source: str | None = Field(
        default=None,
        description="Where the price is from, if nobody gave it: a published list and its version.",
    )
    tries: int = Field(description="How often the call was sent.")
    latency_s: float | None
    source: str | None = Field(description="File or endpoint.")
    code: str | None = Field(description="What was taken out of the reply.")
    code_line: int | None = Field(description="Line of the reply on which the code begins, from 1.")
    language: str | None
    rules: str
    evaluator: str
    void_reason: str | None
    error: str | None = Field(description="Our own failure; there is no verdict then.")
    verdict: Line = Field(description="What `eval --json` prints of it.")


class Message(Record):
    """One turn of a conversation."""

    role: Literal["user", "assistant"]
    content: str


class TrainingExample(Record):
    """A prompt and a reply that passed: a line of ``--format sft``."""

    messages: tuple[Message, Message]
    attempt: str
    problem: str
    stage: str | None
    gpu: str | None
    model: str
    speedup_eager: float | None = Field(description="Median, against the reference run eagerly.")


def exported(attempt: Attempt, stored: StoredReply, prompt: Prompt | None) -> ExportedAttempt:
    """Return an attempt as `--format jsonl` writes it."""
    reply, candidate = attempt.reply, attempt.candidate
    return ExportedAttempt(
        id=attempt.id,
        run=attempt.run,
        created=attempt.created,
        problem=attempt.problem,
        stage=attempt.stage,
        gpu=attempt.gpu,
        model=reply.model,
        model_id=reply.model_id,
        sample=reply.sample,
        parameters=stored.parameters,
        prompt_hash=reply.prompt_hash,
        prompt=prompt.text if prompt else None,
        reply=reply.text,
        reasoning=stored.extra.get("reasoning"),
        refusal=stored.extra.get("refusal"),
        finish_reason=reply.finish_reason,
        usage=reply.usage,
        cost=stored.cost,
        price_source=stored.extra.get("price_source"),
        tries=stored.tries,
        latency_s=reply.latency_s,
        source=reply.source,
        code=candidate.code if candidate else None,
        code_line=candidate.first_line if candidate else None,
        language=candidate.language if candidate else None,
        rules=attempt.rules,
        evaluator=attempt.evaluator,
        void_reason=attempt.void_reason,
        error=attempt.error,
        verdict=line_of(attempt, cached=True),
    )


def training_example(attempt: Attempt, prompt: Prompt) -> TrainingExample:
    """Return a passing attempt as `--format sft` writes it."""
    timing = attempt.verdict.timing if attempt.verdict else None
    return TrainingExample(
        messages=(
            Message(role="user", content=prompt.text),
            Message(role="assistant", content=attempt.reply.text),
        ),
        attempt=attempt.id,
        problem=attempt.problem,
        stage=attempt.stage,
        gpu=attempt.gpu,
        model=attempt.reply.model,
        speedup_eager=timing.speedup.eager.median if timing and timing.speedup.eager else None,
    )
