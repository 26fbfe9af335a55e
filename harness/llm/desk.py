"""Sends the calls of one model, again where that may help, and keeps all that comes of each."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import openai

from harness.errors import EnvironmentFailure, HarnessError
from harness.llm.budget import Amount, Purse
from harness.llm.client import ask
from harness.llm.endpoint import Endpoint
from harness.llm.failures import CALL_ERRORS, Trouble, stop_error, trouble_of
from harness.llm.gate import Gate
from harness.llm.gathered import Gathered
from harness.llm.job import Job, OpenCall
from harness.llm.outcomes import Event
from harness.llm.prices import Tokens, guess_tokens
from harness.llm.receipts import bill, receipts
from harness.llm.scribe import Scribe
from harness.llm.spec import ModelSpec
from harness.store import Answer, Claim, Store

_FIRST_GUESS = 4000
"""Tokens of a reply, before one has come."""
_LONGEST_WAIT_S = 60.0
_IN_A_ROW = 10
"""Calls given up one after another, and none that went well between: the endpoint is down."""


class Office(NamedTuple):
    """What every model's desk shares."""

    store: Store
    run: str
    scribe: Scribe
    purse: Purse
    tell: Callable[[Event], None]
    cut: list[tuple[int, Answer]]
    """Rows of calls that were interrupted, with what had come."""
    fresh: bool


class Desk:
    """One model. Its workers run side by side in one event loop."""

    def __init__(self, spec: ModelSpec, endpoint: Endpoint, gate: Gate, office: Office) -> None:
        self._spec = spec
        self._endpoint = endpoint
        self._gate = gate
        self._office = office
        self._together = spec.n
        self._replies, self._output_tokens = 0, 0
        self._given_up = 0
        self.error: HarnessError | None = None
        """What stopped this model early."""

    async def work(self, client: openai.AsyncOpenAI, jobs: Iterator[Job]) -> None:
        """Make calls until there are none left, or the model is stopped."""
        for job in jobs:
            if self.error is not None or self._office.purse.stopped_by is not None:
                return
            await self._make(client, OpenCall(job))

    async def _make(self, client: openai.AsyncOpenAI, call: OpenCall) -> None:
        while not call.done:
            trouble = await self._turn(client, call)
            if trouble is None:
                call.tries = 0
            elif self.error is not None or trouble.fatal or call.tries > self._spec.max_retries:
                await self._give_up(call, trouble)
                return
            else:
                await asyncio.sleep(self._wait_s(call.tries, trouble))

    async def _turn(self, client: openai.AsyncOpenAI, call: OpenCall) -> Trouble | None:
        """Send a call once, when its turn has come, and keep what came."""
        expected = self._expected(call)
        reserved = await self._office.purse.reserve(expected.total, expected.cost(self._spec.price))
        if reserved is None:
            return Trouble(kind="budget", line="not sent again: the budget is spent", fatal=True)
        spent = Amount()
        try:
            async with self._gate.passing(expected.total) as place:
                if self.error is not None:
                    return Trouble(kind="stopped", line="not sent again: the model was stopped", fatal=True)
                await self._claim(call)
                rows = call.next_rows(self._together)
                if not rows:
                    return None
                spent, gathered = Amount(calls=1), Gathered(self._endpoint)
                trouble = await self._send(client, call, rows, gathered)
                tokens = bill(gathered, len(rows), call.prompt.text)
                place.used(tokens.total)
            spent = Amount(calls=1, tokens=tokens, cost=tokens.cost(self._spec.price) or 0.0)
            await self._keep(call, rows, gathered, tokens, trouble)
        finally:
            self._office.purse.settle(reserved, spent)
        return trouble

    async def _claim(self, call: OpenCall) -> None:
        office = self._office
        samples = call.unclaimed
        if not samples:
            return
        claims = [
            partial(
                office.store.claim,
                office.run,
                self._spec.key(call.prompt.hash, sample),
                call.prompt,
                self._endpoint.source,
                fresh=office.fresh,
            )
            for sample in samples
        ]
        answers: list[Claim] = await office.scribe.write(lambda: [claim() for claim in claims])
        for sample, claim in zip(samples, answers, strict=True):
            if claim.state == "ours":
                call.rows[sample] = claim.reply_id
            else:
                call.rows.pop(sample)
                office.tell(Event(claim.state, claim.reply_id))

    async def _send(
        self, client: openai.AsyncOpenAI, call: OpenCall, rows: dict[int, int], gathered: Gathered
    ) -> Trouble | None:
        call.tries += 1
        try:
            await ask(client, self._spec, self._endpoint, call.prompt, list(rows), gathered)
        except asyncio.CancelledError:
            self._office.cut.extend(receipts(gathered, rows, call.tries).interrupted())
            raise
        except CALL_ERRORS as error:
            return self._trouble(error, rows)
        self._gate.went_well()
        self._given_up = 0
        if not all(gathered.whole(index) for index in range(len(rows))):
            # It knows no `n`, or not as many: what is missing is asked for one by one.
            self._together = 1
        return None

    def _trouble(self, error: Exception, rows: dict[int, int]) -> Trouble:
        trouble = trouble_of(error, self._endpoint)
        if trouble.kind == "rate_limit" or trouble.retry_after_s is not None:
            self._gate.refused(trouble.retry_after_s)
        if trouble.kind == "bad_request" and len(rows) > 1:
            # Perhaps it is `n` that it does not take.
            self._together = 1
            return trouble.model_copy(update={"fatal": False, "retry_after_s": 0.0})
        if trouble.fatal:
            self.error = self.error or stop_error(error, self._spec.shown, self._endpoint)
        return trouble

    async def _keep(
        self,
        call: OpenCall,
        rows: dict[int, int],
        gathered: Gathered,
        tokens: Tokens,
        trouble: Trouble | None,
    ) -> None:
        office = self._office
        kept = receipts(gathered, rows, call.tries, tokens, self._spec.price)
        line, kind = (trouble.line, trouble.kind) if trouble else ("the endpoint left it away", "bad_reply")
        writes = [
            partial(office.store.keep_answer, row, answer, replace=office.fresh) for row, answer in kept.whole
        ]
        writes += [
            partial(office.store.keep_failure, row, line, part, kind=kind) for row, part in kept.broken
        ]
        if not writes:
            return
        await office.scribe.write(lambda: [write() for write in writes])
        call.close([row for row, _ in kept.whole], [row for row, _ in kept.broken])
        for row, _ in kept.whole:
            office.tell(Event("received", row))
        self._replies += len(kept.whole)
        self._output_tokens += tokens.output if kept.whole else 0

    async def _give_up(self, call: OpenCall, trouble: Trouble) -> None:
        office = self._office
        failed = [row for row in call.rows.values() if row is not None]
        if failed:
            answer = Answer(tries=call.tries, extra={"retries": max(0, call.tries - 1)})
            writes = [
                partial(office.store.keep_failure, row, trouble.line, answer, kind=trouble.kind)
                for row in failed
            ]
            await office.scribe.write(lambda: [write() for write in writes])
        for sample, row in call.rows.items():
            if (told := call.broken.get(sample) if row is None else row) is not None:
                office.tell(Event("failed", told))
        self._given_up += 1
        if self._given_up >= _IN_A_ROW and self.error is None and not trouble.fatal:
            self.error = EnvironmentFailure(
                f"{self._spec.shown} at {self._endpoint.source}: {_IN_A_ROW} calls in a row failed, the last"
                f" with: {trouble.line}; see to the endpoint and run the same command again"
            )

    def _expected(self, call: OpenCall) -> Tokens:
        replies = min(len(call.rows), self._together)
        one = self._output_tokens // self._replies if self._replies else self._spec.max_tokens or _FIRST_GUESS
        return Tokens(input=guess_tokens(call.prompt.text), output=one * replies)

    def _wait_s(self, tries: int, trouble: Trouble) -> float:
        jitter = random.uniform(0.5, 1.0)  # noqa: S311 - spreads calls, hides nothing
        if trouble.retry_after_s is not None:
            return trouble.retry_after_s + jitter * self._spec.backoff_s * (trouble.retry_after_s > 0)
        return jitter * min(_LONGEST_WAIT_S, self._spec.backoff_s * 2.0 ** (tries - 1))
