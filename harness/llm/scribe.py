"""Writes to the store in a thread of its own, all that waits in one transaction.

A transaction costs a sync of the disk: at hundreds of calls a second one each would be the limit,
and would hold up the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from harness.errors import HarnessError
from harness.store import Store

T = TypeVar("T")
_Write = Callable[[], Any]


class Scribe:
    """Takes writes in one event loop and does them in order. What was taken is written, come what may."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: list[tuple[_Write, asyncio.Future[Any]]] = []
        self._wake = asyncio.Event()
        self._pool = ThreadPoolExecutor(max_workers=1)

    async def write(self, write: Callable[[], T]) -> T:
        """Do one write and return what it returns, once it is safely on the disk."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append((write, future))
        self._wake.set()
        return await future

    async def work(self) -> None:
        """Write until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await self._wake.wait()
            self._wake.clear()
            batch, self._waiting = self._waiting, []
            writes = [write for write, _ in batch]
            results = await asyncio.shield(loop.run_in_executor(self._pool, self._write_all, writes))
            for (_, future), result in zip(batch, results, strict=True):
                _resolve(future, result)

    def close(self) -> None:
        """Write what still waits."""
        self._pool.shutdown(wait=True)
        self._write_all([write for write, _ in self._waiting])
        self._waiting.clear()

    def _write_all(self, writes: list[_Write]) -> list[Any]:
        try:
            with self._store.together():
                return [write() for write in writes]
        except HarnessError:
            # On a full disk some may still fit: each by itself.
            return [_attempt(write) for write in writes]


def _attempt(write: _Write) -> Any:
    try:
        return write()
    except HarnessError as error:
        return error


def _resolve(future: asyncio.Future[Any], result: Any) -> None:
    if future.cancelled():
        return
    if isinstance(result, HarnessError):
        future.set_exception(result)
    else:
        future.set_result(result)
