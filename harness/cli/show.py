"""``kernel-harness show``: one attempt in full: the verdict in words, the code and the reply."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.listing import print_json
from harness.records import Attempt
from harness.report.why import headline, why
from harness.store import Store


def command(
    attempt_id: Annotated[
        str,
        typer.Argument(metavar="ID", help="Id of an attempt, or the beginning of one.", show_default=False),
    ],
    store: Annotated[Path, typer.Option(help="The store.")] = Path("kernel-harness.db"),
    as_json: Annotated[bool, typer.Option("--json", help="The attempt as one JSON object.")] = False,
) -> None:
    """Show one attempt: its verdict, the code and the reply that it was taken from."""
    with Store(store, read_only=True) as opened:
        attempt = opened.attempt(attempt_id)
    if as_json:
        print_json([attempt.model_dump(mode="json")])
    else:
        sys.stdout.write("".join(f"{_harmless(line)}\n" for line in _lines(attempt)))


def _lines(attempt: Attempt) -> Iterator[str]:
    reply = attempt.reply
    status = attempt.verdict.status if attempt.verdict else "error"
    yield f"attempt {attempt.id}: {status} ({headline(attempt)})"
    yield f"model {reply.model}, sample {reply.sample}, from {reply.source or 'an unnamed place'}"
    yield f"problem {attempt.problem}, stage {attempt.stage or 'none'}, prompt for {attempt.gpu or 'no GPU'}"
    yield f"run {attempt.run}, {attempt.created}, evaluator {attempt.evaluator}, rules {attempt.rules}"
    if attempt.quarantined is not None:
        yield f"its problem is quarantined: {attempt.quarantined}"
    if attempt.void_reason is not None:
        yield f"struck from scores: {attempt.void_reason}"
    yield ""
    yield from why(attempt)
    yield from _violations(attempt)
    if attempt.candidate is not None:
        yield f"\n--- code (line {attempt.candidate.first_line} of the reply) ---"
        yield attempt.candidate.code
    yield f"\n--- reply ({reply.finish_reason or 'no finish reason'}) ---"
    yield reply.text


def _violations(attempt: Attempt) -> Iterator[str]:
    for violation in attempt.verdict.violations if attempt.verdict else ():
        place = "" if violation.line is None else f"line {violation.line}: "
        yield f"{place}{violation.rule} ({violation.track}, {violation.severity}): {violation.message}"


def _harmless(text: str) -> str:
    """Return the text without what a terminal would obey: a reply comes from a stranger."""
    return "".join(
        letter if letter.isprintable() or letter in "\n\t" else "\N{REPLACEMENT CHARACTER}" for letter in text
    )
