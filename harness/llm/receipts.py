"""From what came of a call to what the ledger keeps for each of its samples, and what it cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from harness.llm.gathered import Gathered
from harness.llm.prices import Price, Tokens, guess_tokens, tokens_of
from harness.store import Answer


class Receipts(NamedTuple):
    """Rows with what came for them; a row for which nothing came is in neither list."""

    whole: list[tuple[int, Answer]]
    broken: list[tuple[int, Answer]]

    def interrupted(self) -> list[tuple[int, Answer]]:
        """Return all that came, as it is when the call is cut off."""
        return self.whole + self.broken


def bill(gathered: Gathered, replies: int, prompt: str) -> Tokens:
    """Return the tokens of a call: as stated, else guessed from the texts; none where nothing came."""
    stated = tokens_of(gathered.usage)
    if stated is not None:
        return stated
    letters = "".join(gathered.letters(index) for index in range(replies))
    came = any(gathered.whole(index) or gathered.begun(index) for index in range(replies))
    return Tokens(input=guess_tokens(prompt), output=guess_tokens(letters)) if came else Tokens()


def receipts(
    gathered: Gathered,
    rows: Mapping[int, int],
    tries: int,
    tokens: Tokens | None = None,
    price: Price | None = None,
) -> Receipts:
    """Return what to keep. Usage and cost of a call with several replies stand at the first of them."""
    found = Receipts([], [])
    came = [index for index in range(len(rows)) if gathered.whole(index) or gathered.begun(index)]
    payer = next((index for index in came if gathered.whole(index)), came[0] if came else None)
    for index, row in enumerate(rows.values()):
        if index not in came:
            continue
        answer = gathered.answer(index)
        extra = answer.extra | {"retries": tries - 1}
        if len(rows) > 1 and payer is not None:
            extra["call_of_reply"] = list(rows.values())[payer]
        if index == payer and tokens is not None and tokens_of(gathered.usage) is None:
            extra["guessed_usage"] = tokens.model_dump()
        if price is not None and price.source is not None:
            extra["price_source"] = price.source
        cost = tokens.cost(price) if tokens is not None else None
        answer = answer.model_copy(
            update={
                "extra": extra,
                "tries": tries,
                "usage": answer.usage if index == payer else {},
                "cost": cost if index == payer or cost is None else 0.0,
            }
        )
        (found.whole if gathered.whole(index) else found.broken).append((row, answer))
    return found
