"""One call through the `openai` package, gathered piece by piece so that a broken one is kept too."""

from __future__ import annotations

import time
from typing import Any

import openai
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import BaseModel

from harness.llm.failures import BadReplyError
from harness.llm.replay import SAMPLE_HEADER, STAGE_HEADER
from harness.llm.spec import OPENAI_URL, Endpoint, ModelSpec
from harness.records import Prompt
from harness.store import Answer

_CONNECT_SECONDS = 10.0
_REASONING = ("reasoning_content", "reasoning")
"""Where servers put the text of their reasoning; no standard names it."""


def open_client(spec: ModelSpec, endpoint: Endpoint) -> openai.AsyncOpenAI:
    """Return the client of an endpoint; close it, or use it as an async context manager."""
    return openai.AsyncOpenAI(
        api_key=endpoint.key.get_secret_value(),
        base_url=endpoint.url,
        timeout=openai.Timeout(spec.timeout_s, connect=min(spec.timeout_s, _CONNECT_SECONDS)),
        max_retries=spec.max_retries,
        # A proxy of the environment has no business between us and our own loopback.
        http_client=openai.DefaultAsyncHttpxClient(trust_env=not endpoint.replays),
    )


class Gathered:
    """What has come of one reply so far."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._start = time.monotonic()
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._refusal: list[str] = []
        self._usage: dict[str, Any] = {}
        self._extra: dict[str, Any] = {}
        self._model_id: str | None = None
        self.finish_reason: str | None = None

    def note(self, request_id: str | None, retries: int) -> None:
        """Add what the headers of the response say."""
        self._extra |= {"retries": retries} | ({"request_id": request_id} if request_id else {})

    def add(self, part: object) -> None:
        """Add a chunk of a stream, or a whole completion."""
        if not isinstance(part, ChatCompletion | ChatCompletionChunk):
            raise BadReplyError("the endpoint sent something that is not a chat completion; check --base-url")
        self._model_id = part.model if isinstance(part.model, str) else self._model_id
        if isinstance(part.usage, BaseModel):
            self._usage = part.usage.model_dump(mode="json", exclude_none=True)
        for choice in (part.choices or [])[:1]:
            message = getattr(choice, "message" if isinstance(part, ChatCompletion) else "delta", None)
            _append(self._text, message, "content")
            _append(self._refusal, message, "refusal")
            _append(self._reasoning, message, *_REASONING)
            if isinstance(choice.finish_reason, str):
                self.finish_reason = choice.finish_reason

    def answer(self) -> Answer:
        """Return all that came, without the key and without what UTF-8 cannot hold."""
        extra = self._extra | {
            name: self._clean(parts)
            for name, parts in (("reasoning", self._reasoning), ("refusal", self._refusal))
            if parts
        }
        return Answer(
            text=self._clean(self._text),
            finish_reason=self.finish_reason,
            usage=self._usage,
            model_id=self._model_id,
            latency_s=round(time.monotonic() - self._start, 3),
            extra=extra,
        )

    def _clean(self, parts: list[str]) -> str:
        return self._endpoint.scrub("".join(parts).encode("utf-8", "replace").decode())


def _append(parts: list[str], message: object, *names: str) -> None:
    for name in names:
        value = getattr(message, name, None)
        if isinstance(value, str) and value:
            parts.append(value)
            return


async def ask(
    client: openai.AsyncOpenAI,
    spec: ModelSpec,
    endpoint: Endpoint,
    prompt: Prompt,
    sample: int,
    into: Gathered,
) -> None:
    """Send one call and gather the reply; raise one of `CALL_ERRORS` where it does not come whole."""
    raw = await client.chat.completions.with_raw_response.create(**_request(spec, endpoint, prompt, sample))
    into.note(raw.headers.get("x-request-id"), raw.retries_taken)
    reply: Any = raw.parse()
    if not spec.stream:
        into.add(reply)
    elif isinstance(reply, openai.AsyncStream):
        async for chunk in reply:
            into.add(chunk)
    if into.finish_reason is None:
        raise BadReplyError("the reply ended before it was whole")


def _request(spec: ModelSpec, endpoint: Endpoint, prompt: Prompt, sample: int) -> dict[str, Any]:
    parameters = spec.parameters
    if endpoint.url == OPENAI_URL and "max_tokens" in parameters:
        # OpenAI's own reasoning models refuse the old name; most other servers know no other.
        parameters["max_completion_tokens"] = parameters.pop("max_tokens")
    if spec.stream:
        parameters |= {"stream": True, "stream_options": {"include_usage": True}}
    if endpoint.replays:
        parameters["extra_headers"] = {STAGE_HEADER: prompt.stage, SAMPLE_HEADER: str(sample)}
    return {"model": spec.model, "messages": [{"role": "user", "content": prompt.text}], **parameters}
