"""Prompts and current codes that attempts on a page refer to, each once."""

from __future__ import annotations

from collections.abc import Iterable

from harness.errors import UsageError
from harness.records import Attempt
from harness.report import Shared
from harness.store import Store


def shared_texts(store: Store, attempts: Iterable[Attempt]) -> Shared:
    """Return the prompts of these attempts, and the current code of each problem that is known here."""
    from harness.problems import load_problem

    prompts: dict[str, str] = {}
    current: dict[str, str] = {}
    for attempt in attempts:
        key = attempt.reply.prompt_hash
        if key is not None and key not in prompts and (prompt := store.prompt(key)) is not None:
            prompts[key] = prompt.text
            if prompt.code is not None:
                current[key] = prompt.code
        if attempt.problem not in current:
            try:
                code = load_problem(attempt.problem).current_code
            except UsageError:
                code = None  # a problem of another machine: there is nothing to compare with
            if code is not None:
                current[attempt.problem] = code
    return Shared(prompts=prompts, current=current)
