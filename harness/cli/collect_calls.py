"""The part of `collect` that asks models, says what asking would take, or gives a run again."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

from harness.cli.command_line import command_line
from harness.cli.progress import Steps
from harness.errors import EnvironmentFailure, UsageError
from harness.llm.budget import Budget, Purse
from harness.llm.estimate import Estimate, estimate
from harness.llm.orders import Order
from harness.llm.outcomes import Outcome
from harness.store import Store

_ELSE = {
    "failed": "failed",
    "elsewhere": "in flight in another process",
    "submitted": "in a batch file: import its output with --import, or buy them now with --fresh",
}


def ask(orders: Sequence[Order], budget: Budget, path: Path, *, fresh: bool, as_json: bool) -> int:
    """Ask for what is missing; print a line for each reply, or how many there are."""
    from harness.llm import collect_orders

    purse, counts = Purse(budget), Counter[str]()
    total = sum(order.replies for order in orders)
    with Store(path) as store, store.run(command_line(), _config(orders, budget)) as run:
        try:
            with (
                Steps(total, f"replies of {', '.join(order.spec.shown for order in orders)}") as steps,
                closing(collect_orders(orders, store, run, purse=purse, fresh=fresh)) as outcomes,
            ):
                for outcome in outcomes:
                    counts[outcome.kind] += 1
                    steps.step()
                    _tell(outcome, steps, several=len(orders) > 1)
                    if as_json:
                        _print(json.dumps(outcome_line(outcome)))
        finally:
            _conclude(f"{_summary(counts, total, purse, path)}; run {run}", as_json=as_json)
    if purse.stopped_by is not None:
        option = f"--{purse.stopped_by.replace('_', '-')}"
        sys.stderr.write(f"stopped by {option}; the same command buys as much again\n")
    if failed := counts["failed"]:
        calls = "call" if failed == 1 else "calls"
        raise EnvironmentFailure(f"{failed} {calls} failed; the same command tries again")
    return 0


def dry_run(orders: Sequence[Order], path: Path, *, fresh: bool, as_json: bool) -> int:
    """Print what asking would take."""
    with Store(path, read_only=True) if path.exists() else nullcontext() as store:
        found = estimate(orders, store, fresh=fresh)
    _print(json.dumps(found.model_dump()) if as_json else _words(found))
    return 0


def replay(run: str, path: Path, *, as_json: bool) -> int:
    """Print every reply that a run bought or found, from the store alone."""
    with Store(path, read_only=True) as store:
        if run not in {info.id for info in store.runs()}:
            raise UsageError(f"no run {run!r} in {path}; `runs` lists them")
        count = 0
        for stored in store.run_replies(run):
            count += 1
            if as_json:
                _print(json.dumps(outcome_line(Outcome(kind="kept", stored=stored))))
    _conclude(f"{count} replies of run {run} in {path}", as_json=as_json)
    return 0


def outcome_line(outcome: Outcome) -> dict[str, Any]:
    """Return what `collect --json` prints of one call."""
    stored, reply = outcome.stored, outcome.stored.reply
    return {
        "reply": stored.id,
        "problem": reply.problem,
        "stage": reply.stage,
        "gpu": reply.gpu,
        "model": reply.model,
        "sample": reply.sample,
        "state": outcome.kind,
        "cached": outcome.kind == "kept",
        "characters": len(reply.text),
        "finish_reason": reply.finish_reason,
        "truncated": outcome.truncated,
        "refused": outcome.refused,
        "usage": reply.usage,
        "cost": stored.cost,
        "price_source": stored.extra.get("price_source"),
        "tries": stored.tries,
        "latency_s": reply.latency_s,
        "model_id": reply.model_id,
        "prompt": reply.prompt_hash,
        "run": stored.run,
        "error": stored.error,
        "error_kind": stored.error_kind,
    }


def _tell(outcome: Outcome, steps: Steps, *, several: bool) -> None:
    reply = outcome.stored.reply
    who = f"{reply.model}, sample {reply.sample}" if several else f"sample {reply.sample}"
    if outcome.kind == "failed":
        steps.say(f"{who}: {outcome.stored.error}")
    elif outcome.kind == "received" and outcome.truncated:
        steps.say(f"{who}: the reply was cut at the longest length; it is kept as it is")
    elif outcome.kind == "received" and outcome.refused:
        steps.say(f"{who}: the model refused")


def _config(orders: Sequence[Order], budget: Budget) -> dict[str, Any]:
    prompts = {prompt.hash: prompt for order in orders for prompt in order.prompts}.values()
    return {
        "prompts": [
            {"problem": prompt.problem, "stage": prompt.stage, "gpu": prompt.gpu, "prompt": prompt.hash}
            for prompt in prompts
        ],
        "models": [
            {
                "model": order.spec.shown,
                "samples": len(order.samples),
                "parameters": order.spec.parameters,
                "price": order.spec.price.model_dump(exclude_none=True) if order.spec.price else None,
            }
            for order in orders
        ],
        "budget": budget.model_dump(exclude_none=True),
    }


def _summary(counts: Counter[str], total: int, purse: Purse, path: Path) -> str:
    have, spent = counts["received"] + counts["kept"], purse.spent
    parts = [f"{counts['received']} new", f"{counts['kept']} kept"]
    parts += [f"{counts[kind]} {words}" for kind, words in _ELSE.items() if counts[kind]]
    used = f"{spent.calls} calls, {spent.tokens.total} tokens"
    used += f", {spent.cost:.4g} spent" if spent.cost else ""
    return f"{have} of {total} replies in {path} ({', '.join(parts)}); {used}"


def _words(found: Estimate) -> str:
    price = "unknown: give --price" if found.cost is None else _between(found.cost)
    price += f" ({'; '.join(found.price_sources)})" if found.price_sources else ""
    rows = {
        "replies in the store": str(found.kept),
        "replies to buy": str(found.replies),
        "calls": str(found.calls),
        "input tokens": _between(found.input_tokens),
        "output tokens": _between(found.output_tokens),
        "price": price,
        "minutes of judging": f"about {found.judge_minutes:g}",
    }
    return "\n".join(f"{name + ':':<22} {value}" for name, value in rows.items())


def _between(pair: Iterable[float]) -> str:
    low, high = (f"{value:,}" if isinstance(value, int) else f"{value:.4g}" for value in pair)
    return low if low == high else f"{low} to {high}"


def _conclude(text: str, *, as_json: bool) -> None:
    if as_json:
        sys.stderr.write(f"{text}\n")
    else:
        _print(text)


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
