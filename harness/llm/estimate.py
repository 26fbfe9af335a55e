"""What an order would take: calls, tokens, price, minutes of judging. Asks nobody."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

from eval.records import Record
from harness.llm.orders import Missing, Order, found_and_missing, jobs_of
from harness.llm.prices import Tokens, guess_tokens, tokens_of
from harness.store import Store

_REMEMBERED = 200
"""Past replies and verdicts that an estimate looks at."""
_SHORT, _LONG = 500, 8000
"""Tokens of a short and of a long reply, where the store holds none of the model."""
_FEW_LETTERS = 0.75
"""Part of the guessed prompt tokens that the prompt has at least."""
JUDGE_S = 20.0
"""Seconds to judge one reply, where the store holds no verdict of the problem."""


class Estimate(Record):
    """What is still to be bought, and what that takes at least and at most."""

    kept: int
    """Replies that are there already."""
    replies: int
    calls: int
    input_tokens: tuple[int, int]
    output_tokens: tuple[int, int]
    cost: tuple[float, float] | None
    """None where a model has no price."""
    price_sources: tuple[str, ...] = ()
    """Where prices are from that nobody gave."""
    judge_minutes: float


def estimate(orders: Sequence[Order], store: Store | None, *, fresh: bool = False) -> Estimate:
    """Estimate what `collect_orders` would do; without a store everything is missing."""
    found, missing = found_and_missing(orders, store, fresh=fresh)
    least, most, calls, replies, judging = Tokens(), Tokens(), 0, 0, 0.0
    costs: list[tuple[float, float]] | None = []
    for order, lacking in missing:
        count = sum(map(len, lacking.values()))
        low, high, jobs = _range(order, lacking, count, store)
        cheap, dear = low.cost(order.spec.price), high.cost(order.spec.price)
        if costs is not None and cheap is not None and dear is not None:
            costs.append((cheap, dear))
        elif not order.spec.replays:
            costs = None
        least, most, calls, replies = least + low, most + high, calls + jobs, replies + count
        judging += _judging_s(order, lacking, store)
    return Estimate(
        kept=len(found),
        replies=replies,
        calls=calls,
        input_tokens=(least.input, most.input),
        output_tokens=(least.output, most.output),
        cost=None if costs is None else (sum(low for low, _ in costs), sum(high for _, high in costs)),
        price_sources=_sources(order for order, _ in missing),
        judge_minutes=round(judging / 60, 1),
    )


def _sources(orders: Iterable[Order]) -> tuple[str, ...]:
    prices = [order.spec.price for order in orders]
    return tuple(sorted({price.source for price in prices if price is not None and price.source}))


def _range(order: Order, lacking: Missing, replies: int, store: Store | None) -> tuple[Tokens, Tokens, int]:
    jobs = jobs_of(order, lacking)
    prompts = sum(guess_tokens(job.prompt.text) for job in jobs)
    short, long = _lengths(order, store)
    least = Tokens(input=int(prompts * _FEW_LETTERS), output=short * replies)
    return least, Tokens(input=prompts, output=long * replies), len(jobs)


def _lengths(order: Order, store: Store | None) -> tuple[int, int]:
    """Return the length of a short and of a long reply in tokens: the outer tenths of what came before."""
    rows = islice(store.replies(model=order.spec.shown), _REMEMBERED) if store else ()
    seen = sorted(tokens.output for row in rows if (tokens := tokens_of(row.reply.usage)) is not None)
    if seen:
        return seen[len(seen) // 10], seen[-1 - len(seen) // 10]
    longest = order.spec.max_tokens or _LONG
    return min(_SHORT, longest), longest


def _judging_s(order: Order, lacking: Missing, store: Store | None) -> float:
    total = 0.0
    for prompt in order.prompts:
        attempts = islice(store.attempts(problem=prompt.problem), _REMEMBERED) if store else ()
        seconds = [attempt.verdict.seconds for attempt in attempts if attempt.verdict is not None]
        each = sum(seconds) / len(seconds) if seconds else JUDGE_S
        total += each * len(lacking.get(prompt.hash, ()))
    return total
