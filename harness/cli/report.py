"""``kernel-harness report``: the whole store as one HTML file that needs no network."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.shared_texts import shared_texts
from harness.files import write_text
from harness.store import Store


def command(
    store: Annotated[Path, typer.Option(help="The store.")] = Path("kernel-harness.db"),
    output: Annotated[Path, typer.Option(help="File to write.")] = Path("report.html"),
) -> None:
    """Write the report and print its path."""
    sys.stdout.write(f"{written(store, output)}\n")


def written(store: Path, output: Path) -> Path:
    """Write the report of a store and return its path."""
    from harness.report import Ledger, render

    with Store(store, read_only=True) as opened:
        attempts = list(opened.attempts(include_void=True))
        facts = list(opened.facts())
        shared = shared_texts(opened, attempts)
        ledger = Ledger(runs=tuple(opened.runs()), price_sources=opened.price_sources())
    now = datetime.now(UTC)
    generated = f"{now.day} {now:%B %Y, %H:%M} UTC"
    text = render(attempts, facts=facts, shared=shared, ledger=ledger, generated=generated, store=store.name)
    write_text(output, text)
    return output
