"""Asks for what the store does not hold yet, many calls at once, and keeps every reply as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from queue import SimpleQueue
from typing import Literal

import openai

from eval.records import Record
from harness.errors import HarnessError
from harness.llm.client import Gathered, ask, open_client
from harness.llm.failures import CALL_ERRORS, describe, is_fatal, stop_error
from harness.llm.spec import Endpoint, ModelSpec, open_endpoint
from harness.records import Prompt
from harness.store import CallKey, Store, StoredReply

OutcomeKind = Literal["received", "kept", "failed", "elsewhere"]


class Outcome(Record):
    """What came of one call."""

    kind: OutcomeKind
    """`kept` was in the store already; `elsewhere` is in flight in another process."""
    stored: StoredReply
    """The row of the ledger; its `error` says why a call failed."""


class _Event(Record):
    kind: OutcomeKind
    reply_id: int


def collect(
    prompts: Sequence[Prompt], spec: ModelSpec, samples: Iterable[int], store: Store, run: str
) -> Generator[Outcome, None, None]:
    """Yield an outcome for each sample of each prompt, as they come; calls go on while the caller works.

    What the store holds is not asked for again. Close the iterator (`contextlib.closing`) to stop
    early: what has come of the calls in flight is kept then, as it is on Ctrl-C.

    Raises `EnvironmentFailure` where the endpoint refuses key or request, after the calls in flight
    have ended, and `UsageError` where a replay folder has run out.
    """
    for prompt in prompts:
        store.save_prompt(prompt)
    calls = [(prompt, sample) for sample in samples for prompt in prompts]
    events: SimpleQueue[_Event | None] = SimpleQueue()
    with open_endpoint(spec) as endpoint, ThreadPoolExecutor(max_workers=1) as pool:
        collector = _Collector(spec, endpoint, store, run, events)
        work = pool.submit(collector.run, calls)
        work.add_done_callback(lambda _: events.put(None))
        try:
            while (event := events.get()) is not None:
                yield Outcome(kind=event.kind, stored=store.reply(event.reply_id))
        finally:
            collector.stop()
        error = work.result()
        if error is not None:
            raise error


class _Collector:
    """The calls of one `collect`, in a thread and an event loop of their own."""

    def __init__(
        self, spec: ModelSpec, endpoint: Endpoint, store: Store, run: str, events: SimpleQueue[_Event | None]
    ) -> None:
        self._spec = spec
        self._endpoint = endpoint
        self._store = store
        self._run = run
        self._events = events
        self._error: HarnessError | None = None
        self._stopped = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None

    def run(self, calls: list[tuple[Prompt, int]]) -> HarnessError | None:
        """Make the calls; return what stopped them early, if anything did."""
        try:
            asyncio.run(self._work(calls))
        except* HarnessError as group:
            self._error = _first(group)
        return self._error

    def stop(self) -> None:
        """End the calls in flight, from another thread."""
        self._stopped = True
        if self._loop is not None and self._task is not None:
            with suppress(RuntimeError):  # the loop has ended by itself
                self._loop.call_soon_threadsafe(self._task.cancel)

    async def _work(self, calls: list[tuple[Prompt, int]]) -> None:
        self._task, self._loop = asyncio.current_task(), asyncio.get_running_loop()
        waiting = iter(calls)
        async with open_client(self._spec, self._endpoint) as client, asyncio.TaskGroup() as group:
            for _ in range(min(self._spec.concurrency, len(calls))):
                group.create_task(self._worker(client, waiting))

    async def _worker(self, client: openai.AsyncOpenAI, waiting: Iterator[tuple[Prompt, int]]) -> None:
        for prompt, sample in waiting:
            if self._stopped or self._error is not None:
                return
            key = CallKey(
                model=self._spec.model,
                parameters=self._spec.parameters,
                prompt_hash=prompt.hash,
                sample=sample,
            )
            claim = self._store.claim(self._run, key, prompt, self._endpoint.source)
            if claim.state == "ours":
                await self._call(client, prompt, sample, claim.reply_id)
            else:
                self._events.put(_Event(kind=claim.state, reply_id=claim.reply_id))
                await asyncio.sleep(0)

    async def _call(self, client: openai.AsyncOpenAI, prompt: Prompt, sample: int, reply_id: int) -> None:
        gathered = Gathered(self._endpoint)
        try:
            await ask(client, self._spec, self._endpoint, prompt, sample, gathered)
        except asyncio.CancelledError:
            self._store.keep_failure(reply_id, "interrupted", gathered.answer(), "unknown")
            raise
        except CALL_ERRORS as error:
            self._store.keep_failure(reply_id, describe(error, self._endpoint), gathered.answer())
            if is_fatal(error):
                self._error = self._error or stop_error(error, self._spec.model, self._endpoint)
            self._events.put(_Event(kind="failed", reply_id=reply_id))
        else:
            self._store.keep_answer(reply_id, gathered.answer())
            self._events.put(_Event(kind="received", reply_id=reply_id))


def _first(group: BaseExceptionGroup[HarnessError]) -> HarnessError:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, HarnessError)
    return error
