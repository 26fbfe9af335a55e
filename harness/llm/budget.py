"""What a command may spend, and what it has spent.

A call is let through while what was spent and what the calls in flight are likely to cost stay
within the budget. Near the end calls go one by one until the budget is reached, so that the last
call alone may pass it.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from pydantic import Field

from eval.records import Record
from harness.files import DataRecord
from harness.llm.prices import Tokens


class Budget(DataRecord):
    """Limits of one command, or of a ``[budget]`` table; None is no limit."""

    max_cost: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    max_tokens: int | None = Field(default=None, ge=0)
    """Tokens of prompts and replies together."""
    max_calls: int | None = Field(default=None, ge=0)
    """Requests sent, those that are sent again included."""


class Amount(Record):
    """Calls and what they used."""

    calls: int = 0
    tokens: Tokens = Tokens()
    cost: float = 0.0

    def __add__(self, other: Amount) -> Amount:
        return Amount(
            calls=self.calls + other.calls, tokens=self.tokens + other.tokens, cost=self.cost + other.cost
        )


class _Held(NamedTuple):
    calls: int = 0
    tokens: int = 0
    cost: float = 0.0

    def plus(self, other: _Held) -> _Held:
        return _Held(self.calls + other.calls, self.tokens + other.tokens, self.cost + other.cost)

    def minus(self, other: _Held) -> _Held:
        return _Held(self.calls - other.calls, self.tokens - other.tokens, self.cost - other.cost)


class Purse:
    """Counts against a budget; `spent` and `stopped_by` are for the caller to read afterwards."""

    def __init__(self, budget: Budget | None = None) -> None:
        self.budget = budget or Budget()
        self.spent = Amount()
        self.stopped_by: str | None = None
        """The limit that ended the command, for example ``max_cost``."""
        self._held = _Held()
        self._settled = asyncio.Event()

    async def reserve(self, tokens: int, cost: float | None) -> _Held | None:
        """Wait until a call fits; return what is set aside for it, None where the budget is spent."""
        wanted = _Held(1, tokens, cost or 0.0)
        while self._held.calls and self._over(wanted):
            self._settled.clear()
            await self._settled.wait()
        self.stopped_by = self.stopped_by or self._exhausted()
        if self.stopped_by:
            return None
        self._held = self._held.plus(wanted)
        return wanted

    def settle(self, reserved: _Held, spent: Amount) -> None:
        """Replace what was set aside by what a call really took."""
        self._held = self._held.minus(reserved)
        self.spent += spent
        self._settled.set()

    def _over(self, wanted: _Held) -> bool:
        spent = _Held(self.spent.calls, self.spent.tokens.total, self.spent.cost)
        total = spent.plus(self._held).plus(wanted)
        return any(value > limit for _, limit, value in self._limits(total))

    def _exhausted(self) -> str | None:
        spent = _Held(self.spent.calls, self.spent.tokens.total, self.spent.cost)
        return next((name for name, limit, value in self._limits(spent) if value >= limit), None)

    def _limits(self, amount: _Held) -> list[tuple[str, float, float]]:
        found = (
            ("max_cost", self.budget.max_cost, amount.cost),
            ("max_tokens", self.budget.max_tokens, amount.tokens),
            ("max_calls", self.budget.max_calls, amount.calls),
        )
        return [(name, limit, value) for name, limit, value in found if limit is not None]
