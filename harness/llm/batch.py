"""The requests of an order in OpenAI's Batch form, for those who submit them elsewhere.

Each line's ``custom_id`` is the address of the call in the ledger, so that the output finds its
place when it is imported.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import partial

from harness.errors import UsageError
from harness.llm.chat import chat_body
from harness.llm.endpoint import address_of, public_source
from harness.llm.orders import Order, found_and_missing
from harness.llm.responses import responses_body
from harness.records import Prompt
from harness.store import Store

_PATHS = {"chat": "/v1/chat/completions", "responses": "/v1/responses"}
_AT_ONCE = 500


def batch_lines(orders: Sequence[Order], store: Store, run: str) -> Iterator[str]:
    """Yield a line of JSON for each call whose reply is not there, and note it as `submitted`.

    The same again yields the same lines, until their output is imported; a call in flight in another
    process is left away. Raises `UsageError` for recorded replies, which nobody has to submit.
    """
    if any(order.spec.replays for order in orders):
        raise UsageError("recorded replies need no batch file; give a model of an endpoint")
    for prompt in {prompt.hash: prompt for order in orders for prompt in order.prompts}.values():
        store.save_prompt(prompt)
    store.settle()
    for order, missing in found_and_missing(orders, store)[1]:
        prompts = {prompt.hash: prompt for prompt in order.prompts}
        calls = [(prompts[name], sample) for name, samples in missing.items() for sample in samples]
        for start in range(0, len(calls), _AT_ONCE):
            yield from _write(order, calls[start : start + _AT_ONCE], store, run)


def _write(order: Order, calls: list[tuple[Prompt, int]], store: Store, run: str) -> Iterator[str]:
    source, submit = public_source(order.spec), partial(store.submit, run)
    keys = [order.spec.key(prompt.hash, sample) for prompt, sample in calls]
    with store.together():
        claims = [submit(key, prompt, source) for key, (prompt, _) in zip(keys, calls, strict=True)]
    for key, claim, (prompt, _) in zip(keys, claims, calls, strict=True):
        if claim.state in {"ours", "submitted"}:
            yield json.dumps(
                {
                    "custom_id": key.hash,
                    "method": "POST",
                    "url": _PATHS[order.spec.api],
                    "body": _body(order, prompt),
                }
            )


def _body(order: Order, prompt: Prompt) -> dict[str, object]:
    if order.spec.api == "responses":
        return responses_body(order.spec, prompt)
    return chat_body(order.spec, address_of(order.spec), prompt)
