"""Tokens and what they cost, from the usage that an endpoint states or from the length of the text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from eval.records import Record
from harness.files import DataRecord

_LETTERS_PER_TOKEN = 3
"""Code in English has 3 to 4; the lower number errs on the dear side."""
_PER = 1e6


class Price(DataRecord):
    """Price of a million tokens, in dollars or any other one currency."""

    input: float = Field(ge=0, allow_inf_nan=False)
    output: float = Field(ge=0, allow_inf_nan=False)
    """Reasoning included, as endpoints bill it."""
    cached_input: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Of prompt tokens that the endpoint had in its cache; None is the price of `input`."""
    source: str | None = None
    """Where it is from, for example a price list; it stands beside every cost that is made with it."""


class Tokens(Record):
    """Tokens of one call or of many."""

    input: int = 0
    output: int = 0
    cached: int = 0
    """Part of `input`."""
    reasoning: int = 0
    """Part of `output`."""

    @property
    def total(self) -> int:
        """Input and output together."""
        return self.input + self.output

    def __add__(self, other: Tokens) -> Tokens:
        return Tokens(
            **{name: getattr(self, name) + getattr(other, name) for name in type(self).model_fields}
        )

    def cost(self, price: Price | None) -> float | None:
        """Return what they cost; None without a price."""
        if price is None:
            return None
        cached = price.input if price.cached_input is None else price.cached_input
        fresh = self.input - self.cached
        return (fresh * price.input + self.cached * cached + self.output * price.output) / _PER


def tokens_of(usage: Mapping[str, Any]) -> Tokens | None:
    """Return the tokens that a Chat or a Responses usage states; None where it states nothing sensible."""
    before = _count(usage, "prompt_tokens", "input_tokens")
    after = _count(usage, "completion_tokens", "output_tokens")
    if before is None or after is None:
        return None
    cached = _detail(usage, "cached_tokens", "prompt_tokens_details", "input_tokens_details")
    reasoning = _detail(usage, "reasoning_tokens", "completion_tokens_details", "output_tokens_details")
    return Tokens(input=before, output=after, cached=min(cached, before), reasoning=min(reasoning, after))


def guess_tokens(text: str) -> int:
    """Return about how many tokens a text has, rather too many than too few."""
    return -(-len(text) // _LETTERS_PER_TOKEN)


def _count(usage: Mapping[str, Any], *names: str) -> int | None:
    for name in names:
        value = usage.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
    return None


def _detail(usage: Mapping[str, Any], name: str, *tables: str) -> int:
    for table in tables:
        inner = usage.get(table)
        if isinstance(inner, Mapping):
            return _count(inner, name) or 0
    return 0
