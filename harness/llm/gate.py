"""The way into one endpoint: how many calls are in flight, how many a minute, and when it is to rest.

After a 429 the number in flight is halved and grows again with every call that goes well, so that
an endpoint with limits that nobody has told us is asked about as fast as it answers.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from harness.llm.pace import Passed, Window

_GROWTH = 0.1
"""Part of the limit that comes back for each call in flight that went well."""
_CALM_S = 1.0
"""Refusals within this time are one refusal: they answer calls that were sent together."""


class Gate:
    """Lets the calls of one endpoint pass, first come, first served. Lives in one event loop."""

    def __init__(
        self, limit: int, *, requests_per_minute: float | None = None, tokens_per_minute: float | None = None
    ) -> None:
        self._limit = float(limit)
        self._allowed = float(limit)
        self._in_flight = 0
        self._requests = Window(requests_per_minute) if requests_per_minute else None
        self._tokens = Window(tokens_per_minute) if tokens_per_minute else None
        self._rest_until = 0.0
        self._calm_until = 0.0
        self._door = asyncio.Lock()
        self._left = asyncio.Event()

    @property
    def allowed(self) -> int:
        """Calls that may be in flight now."""
        return max(1, int(self._allowed))

    @asynccontextmanager
    async def passing(self, tokens: int) -> AsyncIterator[Pass]:
        """Wait for the turn of a call that needs about so many tokens, and hold its place."""
        async with self._door:
            await self._wait(tokens)
            now = time.monotonic()
            if self._requests:
                self._requests.add(1, now)
            entry = self._tokens.add(tokens, now) if self._tokens else None
            self._in_flight += 1
        try:
            yield Pass(entry)
        finally:
            self._in_flight -= 1
            self._left.set()

    def went_well(self) -> None:
        """Note that the endpoint took a call."""
        self._allowed = min(self._limit, self._allowed + _GROWTH * self._limit / self._allowed)

    def refused(self, retry_after_s: float | None) -> None:
        """Note that the endpoint wants fewer calls, and none before `retry_after_s` is over."""
        now = time.monotonic()
        self._rest_until = max(self._rest_until, now + (retry_after_s or 0.0))
        if now >= self._calm_until:
            self._allowed = max(1.0, self._allowed / 2)
        self._calm_until = max(self._calm_until, now + _CALM_S, self._rest_until)

    async def _wait(self, tokens: int) -> None:
        while True:
            while self._in_flight >= self.allowed:
                self._left.clear()
                await self._left.wait()
            delay = self._delay(tokens, time.monotonic())
            if delay <= 0:
                return
            # A call that leaves may have used less than was guessed.
            self._left.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._left.wait(), delay)

    def _delay(self, tokens: int, now: float) -> float:
        waits = [self._rest_until - now]
        waits += [self._requests.delay(1, now)] if self._requests else []
        waits += [self._tokens.delay(tokens, now)] if self._tokens else []
        return max(waits)


class Pass:
    """The place of one call."""

    def __init__(self, entry: Passed | None) -> None:
        self._entry = entry

    def used(self, tokens: int) -> None:
        """Put what was really used in the place of what was guessed."""
        if self._entry is not None:
            self._entry.amount = tokens
