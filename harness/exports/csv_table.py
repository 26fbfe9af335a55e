"""CSV with a header; an empty field is "not measured"."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any, BinaryIO

from harness.exports.columns import COLUMNS, row
from harness.records import Facts


def write(facts: Iterable[Facts], out: BinaryIO, keys: Mapping[str, str]) -> None:  # noqa: ARG001 - every form's signature
    """Write one line an attempt, UTF-8, booleans as true and false."""
    text = io.TextIOWrapper(out, encoding="utf-8", errors="replace", newline="", write_through=True)
    writer = csv.DictWriter(text, fieldnames=list(COLUMNS), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _field(value) for name, value in row(one).items()} for one in facts)
    text.detach()


def _field(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    # A spreadsheet would run what begins so as a formula, and a model's name comes from elsewhere.
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t")) else value
