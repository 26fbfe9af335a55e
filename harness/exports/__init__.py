"""Forms in which attempts leave the store for other tools: one module a form, a line of `FORMS` each.

A form's `write(facts, out, keys)` writes to a binary file; `keys` is what other tools call a problem.
Lines of JSON, whose records hold the texts too, are made by the command `export` itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import BinaryIO

from harness.records import Facts

FORMS = {
    "csv": "harness.exports.csv_table",
    "parquet": "harness.exports.parquet",
    "kernelbench": "harness.exports.kernelbench",
}
"""Form to the module that writes it, imported when it is asked for."""


def write(form: str, facts: Iterable[Facts], out: BinaryIO, keys: Mapping[str, str]) -> None:
    """Write attempts in a form of `FORMS`."""
    import_module(FORMS[form]).write(facts, out, keys)
