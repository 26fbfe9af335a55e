"""One call through the Responses API."""

from __future__ import annotations

from typing import Any

import openai
from openai.types.responses import Response
from pydantic import BaseModel

from harness.llm.endpoint import Endpoint
from harness.llm.failures import BadReplyError
from harness.llm.gathered import TRUNCATED, Gathered
from harness.llm.spec import ModelSpec
from harness.records import Prompt

_PIECES = {
    "response.output_text.delta": "text",
    "response.refusal.delta": "refusal",
    "response.reasoning_text.delta": "reasoning",
    "response.reasoning_summary_text.delta": "reasoning",
}
_ENDS = {"response.completed", "response.incomplete", "response.failed"}
_PARTS = {"output_text": ("text", "text"), "refusal": ("refusal", "refusal")}
_REASONS = {"max_output_tokens": TRUNCATED}


def responses_body(spec: ModelSpec, prompt: Prompt) -> dict[str, Any]:
    """Return the request as JSON: what a Batch file holds, and what `ask_responses` sends."""
    given = spec.parameters
    extra = given.pop("extra_body", {})
    if "max_tokens" in given:
        given["max_output_tokens"] = given.pop("max_tokens")
    if "reasoning_effort" in given:
        given["reasoning"] = {"effort": given.pop("reasoning_effort")}
    return {"model": spec.model, "input": prompt.text, **given, **extra}


async def ask_responses(
    client: openai.AsyncOpenAI, spec: ModelSpec, endpoint: Endpoint, prompt: Prompt, into: Gathered
) -> None:
    """Send one call and gather the reply; this API gives one reply a call."""
    body = responses_body(spec, prompt)
    known: dict[str, Any] = {"model": body.pop("model"), "input": body.pop("input"), "stream": spec.stream}
    raw = await client.responses.with_raw_response.create(**known, extra_body=body)
    into.note(request_id=raw.headers.get("x-request-id"))
    reply: Any = raw.parse()
    if not spec.stream:
        _add_whole(reply, into, endpoint)
        return
    if isinstance(reply, openai.AsyncStream):
        async for event in reply:
            _add_event(event, into, endpoint)


def _add_event(event: object, into: Gathered, endpoint: Endpoint) -> None:
    kind = getattr(event, "type", None)
    if not isinstance(kind, str):
        raise BadReplyError("the endpoint sent something that is no event of a response; check --base-url")
    if kind in _PIECES:
        into.add(0, _PIECES[kind], getattr(event, "delta", None))
    elif kind in _ENDS:
        _add_end(getattr(event, "response", None), into, endpoint)
    elif kind == "error":
        raise BadReplyError(f"the endpoint ended the stream: {getattr(event, 'message', None)}")


def _add_whole(reply: object, into: Gathered, endpoint: Endpoint) -> None:
    for item in (getattr(reply, "output", None) or []) if isinstance(reply, Response) else []:
        for part in [*(getattr(item, "content", None) or []), *(getattr(item, "summary", None) or [])]:
            kind, field = _PARTS.get(getattr(part, "type", None) or "", ("reasoning", "text"))
            into.add(0, kind, getattr(part, field, None))
    _add_end(reply, into, endpoint)


def _add_end(reply: object, into: Gathered, endpoint: Endpoint) -> None:
    if not isinstance(reply, Response):
        raise BadReplyError("the endpoint sent something that is not a response; check --base-url and api")
    into.answered_by(reply.model)
    into.note(response_id=reply.id if isinstance(reply.id, str) else None)
    if isinstance(reply.usage, BaseModel):
        into.usage = reply.usage.model_dump(mode="json", exclude_none=True, warnings=False)
    if reply.status == "completed":
        into.finish(0, "stop")
    elif reply.status == "incomplete":
        why = getattr(reply.incomplete_details, "reason", None) or "incomplete"
        into.finish(0, _REASONS.get(why, why))
    elif reply.status == "failed":
        said = getattr(reply.error, "message", None) or "no reason given"
        raise BadReplyError(endpoint.scrub(f"the endpoint failed at the reply: {said}"))
