"""Listing data files: every file is read and checked, and one that is broken does not hide the others."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from harness.errors import UsageError

T = TypeVar("T")
PLAIN_WIDTH = 240
"""Columns of a table that goes to a file or a pipe."""


def load_all(names: Iterable[str], load: Callable[[str], T]) -> tuple[list[T], int]:
    """Return what loads and the exit code; what does not load is named on stderr."""
    loaded, code = [], 0
    for name in names:
        try:
            loaded.append(load(name))
        except UsageError as error:
            sys.stderr.write(f"error: {error}\n")
            code = error.exit_code
    return loaded, code


def print_json(items: Iterable[dict[str, Any]]) -> None:
    """Print one JSON object a line."""
    for item in items:
        sys.stdout.write(json.dumps(item) + "\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table to stdout; words are shown as they are, without markup."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH).print(table)
