"""The part of a run's TOML file that says which models are asked, and what that may cost.

``[[models]]`` holds the fields of `ModelSpec`, ``[budget]`` those of `Budget`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from eval.records import Record
from harness.errors import UsageError
from harness.files import parse_toml, read_text, validated
from harness.llm.budget import Budget
from harness.llm.list_prices import with_list_price
from harness.llm.spec import ModelSpec


class Purchase(Record):
    """Models and budget of a run."""

    models: tuple[ModelSpec, ...]
    budget: Budget = Budget()


def read_purchase(path: Path) -> Purchase:
    """Read ``[[models]]`` and ``[budget]``; what else is in the file is for others.

    Raises `UsageError`: no model, a wrong key or value, or two models of one name.
    """
    return purchase_of(parse_toml(read_text(path), path), path)


def purchase_of(data: dict[str, Any], path: Path) -> Purchase:
    """Return models and budget of a file that was read already; `path` is for messages."""
    tables = data.get("models")
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        raise UsageError(f"{path}: it names no model; add a [[models]] table with at least a name")
    places = [f"{path}: models[{number}]" for number in range(len(tables))]
    models = tuple(
        validated(ModelSpec, with_list_price(table, f"{place}.price"), Path(place))
        for place, table in zip(places, tables, strict=True)
    )
    names = [model.shown for model in models]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"{path}: two models are called {name!r}; give one another name")
    budget = data.get("budget", {})
    if not isinstance(budget, dict):
        raise UsageError(f"{path}: budget: make it a table, [budget]")
    return Purchase(models=models, budget=validated(Budget, budget, Path(f"{path}: budget")))
