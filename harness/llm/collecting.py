"""Asks for what the store does not hold yet, many calls at once, and keeps every reply as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack, closing, suppress
from queue import Empty, SimpleQueue

from harness.errors import HarnessError
from harness.llm.budget import Purse
from harness.llm.client import CONNECTIONS, open_client
from harness.llm.desk import Desk, Office
from harness.llm.endpoint import Endpoint, open_endpoint
from harness.llm.gate import Gate
from harness.llm.job import Job
from harness.llm.logs import scrubbed_logs
from harness.llm.orders import Order, found_and_missing, jobs_of
from harness.llm.outcomes import Event, Outcome
from harness.llm.scribe import Scribe
from harness.llm.spec import ModelSpec
from harness.records import Prompt
from harness.store import Answer, Store


def collect(
    prompts: Sequence[Prompt], spec: ModelSpec, samples: Iterable[int], store: Store, run: str
) -> Generator[Outcome, None, None]:
    """Yield an outcome for each sample of each prompt of one model; see `collect_orders`."""
    return collect_orders([Order(spec=spec, prompts=tuple(prompts), samples=tuple(samples))], store, run)


def collect_orders(
    orders: Sequence[Order], store: Store, run: str, *, purse: Purse | None = None, fresh: bool = False
) -> Generator[Outcome, None, None]:
    """Yield an outcome for each sample of each prompt of each model; calls go on while the caller works.

    What the store holds comes first and is not asked for again, except with `fresh`; where nothing
    is missing no endpoint is opened and no key is needed. Samples that the budget of the `purse` did
    not allow have no outcome. Close the iterator (`contextlib.closing`) to stop early: what has come
    of the calls in flight is kept then, as it is on Ctrl-C.

    Raises `EnvironmentFailure` where an endpoint refuses key or request or is down, after the other
    models have ended, and `UsageError` where an address is none or a replay folder has run out.
    """
    with closing(collect_with_pauses(orders, store, run, purse=purse, fresh=fresh)) as outcomes:
        yield from filter(None, outcomes)


def collect_with_pauses(
    orders: Sequence[Order],
    store: Store,
    run: str,
    *,
    purse: Purse | None = None,
    fresh: bool = False,
    pause_s: float | None = None,
) -> Generator[Outcome | None, None, None]:
    """Do the same, and yield None whenever nothing came for `pause_s`: the caller may have other work."""
    for prompt in {prompt.hash: prompt for order in orders for prompt in order.prompts}.values():
        store.save_prompt(prompt)
    store.settle()
    found, missing = found_and_missing(orders, store, fresh=fresh)
    store.meet(run, found)
    events: SimpleQueue[Event | None] = SimpleQueue()
    with ExitStack() as stack:
        collector = None
        if missing:
            desks = [
                (order.spec, stack.enter_context(open_endpoint(order.spec)), jobs_of(order, samples))
                for order, samples in missing
            ]
            for _, endpoint, _ in desks:
                stack.enter_context(scrubbed_logs(endpoint))
            collector = _Collector(store, run, events, purse or Purse(), fresh=fresh)
            pool = stack.enter_context(ThreadPoolExecutor(max_workers=1))
            work = pool.submit(collector.run, desks)
            work.add_done_callback(lambda _: events.put(None))
        try:
            for reply_id in found:
                yield Outcome(kind="kept", stored=store.reply(reply_id))
            while collector is not None:
                try:
                    event = events.get(timeout=pause_s)
                except Empty:
                    yield None
                    continue
                if event is None:
                    break
                yield Outcome(kind=event.kind, stored=store.reply(event.reply_id))
        finally:
            if collector is not None:
                collector.stop()
        if collector is not None:
            _raise_all(work.result())


_Desks = list[tuple[ModelSpec, Endpoint, list[Job]]]


class _Collector:
    """The calls of one `collect`, in a thread and an event loop of their own."""

    def __init__(
        self, store: Store, run: str, events: SimpleQueue[Event | None], purse: Purse, *, fresh: bool
    ) -> None:
        self._store = store
        self._run = run
        self._events = events
        self._purse = purse
        self._fresh = fresh
        self._stopped = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._cut: list[tuple[int, Answer]] = []
        self._errors: list[HarnessError] = []

    def run(self, desks: _Desks) -> list[HarnessError]:
        """Make the calls; return what stopped each model early."""
        try:
            with suppress(asyncio.CancelledError):
                asyncio.run(self._work(desks))
        except* HarnessError as group:
            self._errors.append(_first(group))
        finally:
            self._leave()
        return self._errors

    def stop(self) -> None:
        """End the calls in flight, from another thread."""
        self._stopped = True
        if self._loop is not None and self._task is not None:
            with suppress(RuntimeError):  # the loop has ended by itself
                self._loop.call_soon_threadsafe(self._task.cancel)

    def _leave(self) -> None:
        """Keep what had come of the calls that were cut off."""
        try:
            with self._store.together():
                for reply_id, part in self._cut:
                    self._store.keep_failure(reply_id, "interrupted", part, "unknown")
                self._store.abandon(self._run)
        except HarnessError as error:
            self._errors.append(error)

    async def _work(self, desks: _Desks) -> None:
        self._task, self._loop = asyncio.current_task(), asyncio.get_running_loop()
        if self._stopped:
            return
        scribe = Scribe(self._store)
        office = Office(self._store, self._run, scribe, self._purse, self._events.put, self._cut, self._fresh)
        try:
            async with asyncio.TaskGroup() as around:
                writing = around.create_task(scribe.work())
                await self._ask_all(desks, office)
                writing.cancel()
        finally:
            scribe.close()

    async def _ask_all(self, desks: _Desks, office: Office) -> None:
        staff: list[Desk] = []
        gates = {_place(endpoint): _gate(endpoint, desks) for _, endpoint, _ in desks}
        async with AsyncExitStack() as clients, asyncio.TaskGroup() as group:
            for spec, endpoint, jobs in desks:
                desk = Desk(spec, endpoint, gates[_place(endpoint)], office)
                staff.append(desk)
                waiting, workers = iter(jobs), min(spec.concurrency, len(jobs))
                for start in range(0, workers, CONNECTIONS):
                    client = await clients.enter_async_context(open_client(spec, endpoint))
                    for _ in range(start, min(start + CONNECTIONS, workers)):
                        group.create_task(desk.work(client, waiting))
        self._errors += [desk.error for desk in staff if desk.error is not None]


def _place(endpoint: Endpoint) -> tuple[str, str]:
    return endpoint.url, endpoint.key_env


def _gate(endpoint: Endpoint, desks: _Desks) -> Gate:
    """Return the gate of an endpoint: of several models there the narrowest limits hold."""
    specs = [spec for spec, other, _ in desks if _place(other) == _place(endpoint)]
    requests = [spec.requests_per_minute for spec in specs if spec.requests_per_minute]
    tokens = [spec.tokens_per_minute for spec in specs if spec.tokens_per_minute]
    return Gate(
        min(spec.concurrency for spec in specs),
        requests_per_minute=min(requests, default=None),
        tokens_per_minute=min(tokens, default=None),
    )


def _raise_all(errors: list[HarnessError]) -> None:
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise type(errors[0])("; ".join(map(str, errors)))


def _first(group: BaseExceptionGroup[HarnessError]) -> HarnessError:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, HarnessError)
    return error
