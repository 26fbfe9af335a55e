"""One call through Chat Completions."""

from __future__ import annotations

from typing import Any

import openai
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import BaseModel

from harness.llm.endpoint import Endpoint
from harness.llm.failures import BadReplyError
from harness.llm.gathered import Gathered
from harness.llm.replay import SAMPLE_HEADER, STAGE_HEADER
from harness.llm.spec import OPENAI_URL, ModelSpec
from harness.records import Prompt

_REASONING = ("reasoning_content", "reasoning")
"""Where servers put the text of their reasoning; no standard names it."""


def chat_body(spec: ModelSpec, url: str, prompt: Prompt, replies: int = 1) -> dict[str, Any]:
    """Return the request to that address as JSON: what a Batch file holds, and what `ask_chat` sends."""
    given = spec.parameters
    extra = given.pop("extra_body", {})
    if url == OPENAI_URL and "max_tokens" in given:
        # OpenAI's own reasoning models refuse the old name; most other servers know no other.
        given["max_completion_tokens"] = given.pop("max_tokens")
    if replies > 1:
        given["n"] = replies
    return {"model": spec.model, "messages": [{"role": "user", "content": prompt.text}], **given, **extra}


async def ask_chat(
    client: openai.AsyncOpenAI,
    spec: ModelSpec,
    endpoint: Endpoint,
    prompt: Prompt,
    samples: list[int],
    into: Gathered,
) -> None:
    """Send one call for as many replies as there are samples, and gather them."""
    body = chat_body(spec, endpoint.url, prompt, len(samples))
    known: dict[str, Any] = {"model": body.pop("model"), "messages": body.pop("messages")}
    if spec.stream:
        known |= {"stream": True, "stream_options": {"include_usage": True}}
    if endpoint.replays:
        known["extra_headers"] = {STAGE_HEADER: prompt.stage, SAMPLE_HEADER: str(samples[0])}
    raw = await client.chat.completions.with_raw_response.create(**known, extra_body=body)
    into.note(request_id=raw.headers.get("x-request-id"))
    reply: Any = raw.parse()
    if not spec.stream:
        _add(reply, into)
    elif isinstance(reply, openai.AsyncStream):
        async for chunk in reply:
            _add(chunk, into)


def _add(part: object, into: Gathered) -> None:
    if not isinstance(part, ChatCompletion | ChatCompletionChunk):
        raise BadReplyError("the endpoint sent something that is not a chat completion; check --base-url")
    into.answered_by(part.model)
    into.note(response_id=_text(part.id), fingerprint=_text(part.system_fingerprint))
    if isinstance(part.usage, BaseModel):
        into.usage = part.usage.model_dump(mode="json", exclude_none=True, warnings=False)
    for choice in part.choices if isinstance(part.choices, list) else []:
        index = choice.index if isinstance(choice.index, int) else 0
        message = getattr(choice, "message" if isinstance(part, ChatCompletion) else "delta", None)
        into.add(index, "text", getattr(message, "content", None))
        into.add(index, "refusal", getattr(message, "refusal", None))
        any(into.add(index, "reasoning", getattr(message, name, None)) for name in _REASONING)
        into.finish(index, choice.finish_reason)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
