"""The `openai` client of an endpoint, and one call through it."""

from __future__ import annotations

import asyncio

import openai

from harness.llm.chat import ask_chat
from harness.llm.endpoint import Endpoint
from harness.llm.failures import BadReplyError
from harness.llm.gathered import Gathered
from harness.llm.responses import ask_responses
from harness.llm.spec import ModelSpec
from harness.records import Prompt

_CONNECT_SECONDS = 10.0
_NO_KEY = "none"
"""The client insists on a key; a server of one's own that needs none ignores it."""


CONNECTIONS = 32
"""Connections of one client. Its pool looks at all of them at every call, which 500 make slow."""


def open_client(spec: ModelSpec, endpoint: Endpoint) -> openai.AsyncOpenAI:
    """Return a client for up to `CONNECTIONS` calls at once; use it as an async context manager.

    It sends nothing again by itself: every call that is sent is counted, paced and kept by us.
    """
    limits = type(openai.DEFAULT_CONNECTION_LIMITS)(
        max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS, keepalive_expiry=30.0
    )
    # A proxy of the environment has no business between us and our own loopback.
    transport = openai.DefaultAsyncHttpxClient(trust_env=not endpoint.replays, limits=limits)
    key = endpoint.key.get_secret_value() or _NO_KEY
    timeout = openai.Timeout(spec.timeout_s, connect=min(spec.timeout_s, _CONNECT_SECONDS))
    return openai.AsyncOpenAI(
        api_key=key, base_url=endpoint.url, timeout=timeout, max_retries=0, http_client=transport
    )


async def ask(
    client: openai.AsyncOpenAI,
    spec: ModelSpec,
    endpoint: Endpoint,
    prompt: Prompt,
    samples: list[int],
    into: Gathered,
) -> None:
    """Send one call and gather its replies; raise one of `CALL_ERRORS` where none comes whole."""
    async with asyncio.timeout(spec.call_timeout_s):
        if spec.api == "responses":
            await ask_responses(client, spec, endpoint, prompt, into)
        else:
            await ask_chat(client, spec, endpoint, prompt, samples, into)
    if not any(into.whole(index) for index in range(len(samples))):
        raise BadReplyError("the reply ended before it was whole")
