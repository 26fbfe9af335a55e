"""The table that validating a folder writes: one line a problem, as Markdown or as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from eval.assay import Assay
from harness.errors import UsageError
from harness.files import write_text

_MARKS = {"refused": "ok", "accepted": "**accepted**", "skipped": "-"}


def require_table(path: Path) -> None:
    """Refuse, before the work, a path that `write_table` cannot write.

    Raises `UsageError`: the name ends in neither ``.md`` nor ``.json``; `EnvironmentFailure`: the disk does
    not take it.
    """
    if path.suffix not in {".md", ".json"}:
        raise UsageError(f"{path}: a table is a .md or a .json file")
    if not path.exists():
        write_table(path, ())


def write_table(path: Path, assays: Sequence[Assay]) -> None:
    """Write ``.json``, or Markdown."""
    if path.suffix == ".json":
        write_text(path, json.dumps([one.model_dump(mode="json") for one in assays], indent=1) + "\n")
    else:
        write_text(path, markdown(assays))


def markdown(assays: Sequence[Assay]) -> str:
    """Return the table, and below it what each skipped attack means."""
    names = list(dict.fromkeys(result.attack for one in assays for result in one.attacks))
    head = ["problem", "status", "cases", "variants", "weights", *names, "reason"]
    rows = [head, ["---"] * len(head)]
    for one in assays:
        marks = {result.attack: _MARKS[result.outcome] for result in one.attacks}
        weights = f"{one.weights}{', stateful' if one.stateful else ''}"
        counts = [str(len(one.cases)), str(len(one.variants)), weights]
        rows.append([
            one.problem, one.status, *counts, *(marks.get(name, "") for name in names), one.reason or "",
        ])  # fmt: skip
    table = "".join("| " + " | ".join(_cell(cell) for cell in row) + " |\n" for row in rows)
    return table + _notes(assays)


def _notes(assays: Sequence[Assay]) -> str:
    skipped = {
        (one.problem, result.attack, result.detail)
        for one in assays
        for result in one.attacks
        if result.outcome == "skipped"
    }
    lines = [
        f"- {problem}: {attack} skipped, since {why}\n" for problem, attack, why in sorted(skipped, key=str)
    ]
    return "\n" + "".join(lines) if lines else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
