"""``kernel-harness void``: strike an attempt from scores, and keep the reason."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from harness.errors import UsageError
from harness.store import Store


def command(
    attempt_id: Annotated[
        str,
        typer.Argument(metavar="ID", help="Id of an attempt, or the beginning of one.", show_default=False),
    ],
    why: Annotated[str, typer.Option(help="The reason, for whoever reads the store.", show_default=False)],
    store: Annotated[Path, typer.Option(help="The store.")] = Path("kernel-harness.db"),
) -> None:
    """Strike an attempt from scores; it stays in the store, with the reason."""
    if not why.strip():
        raise UsageError("say why: --why TEXT")
    if not store.exists():
        raise UsageError(f"there is no store at {store}; give --store FILE")
    with Store(store) as opened:
        attempt = opened.void(attempt_id, why.strip())
    sys.stdout.write(f"attempt {attempt.id} of {attempt.reply.model} is struck from scores: {why.strip()}\n")
