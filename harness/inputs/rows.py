"""Rows of other data sets, JSON lines or Parquet, as replies: a small TOML says which column is what."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

from pydantic import Field, model_validator

from harness.errors import EnvironmentFailure, UsageError
from harness.files import DataRecord, nearest, parse_toml, read_text, text_hash, validated
from harness.inputs.found import LOCAL
from harness.problems import load_problem, problem_names
from harness.records import Reply

_SHIPPED = Path(__file__).parent / "columns"


class Columns(DataRecord):
    """Which column of a row is what; ``a.b`` is the field `b` of a column `a` that holds an object."""

    about: str = ""
    code: str | None = None
    """The candidate itself; else give `reply`."""
    reply: str | None = None
    problem: str | None = None
    """Name of the problem; else give `reference`."""
    reference: str | None = None
    """Source text of the reference, by which the problem is found among those here."""
    model: str | None = None
    sample: str | None = None
    stage: str | None = None
    gpu: str | None = None
    problems: dict[str, str] = Field(default_factory=dict)
    """Our name of a problem by the name in the rows."""
    constants: dict[str, str] = Field(default_factory=dict)
    """What all rows have and none says: `problem`, `model`, `stage` or `gpu`."""

    @model_validator(mode="after")
    def _enough(self) -> Self:
        if (self.code is None) == (self.reply is None):
            raise ValueError("give either code or reply")
        if self.problem is None and self.reference is None and "problem" not in self.constants:
            raise ValueError("give problem, reference, or constants.problem")
        unknown = sorted(set(self.constants) - {"problem", "model", "stage", "gpu"})
        if unknown:
            raise ValueError(f"constants.{unknown[0]}: there are: problem, model, stage, gpu")
        return self


def shipped_columns() -> tuple[str, ...]:
    """Return the names of the mappings that ship with the harness."""
    return tuple(sorted(path.stem for path in _SHIPPED.glob("*.toml")))


def load_columns(name: str) -> Columns:
    """Read a mapping by its name or by the path of a ``.toml`` file; raise `UsageError` for neither."""
    path = Path(name) if name.endswith(".toml") else _SHIPPED / f"{name}.toml"
    if not name.endswith(".toml") and name not in shipped_columns():
        raise UsageError(f"unknown columns {name!r}{nearest(name, shipped_columns())}; or give a .toml file")
    return validated(Columns, parse_toml(read_text(path), path), path)


def read_rows(path: Path, columns: Columns) -> Iterator[Reply]:
    """Yield a reply for each row that has one.

    Raises `UsageError`: a row that lacks a column or whose problem is not here, with its number.
    Raises `EnvironmentFailure`: Parquet without pyarrow.
    """
    named = _Problems(columns)
    for number, row in enumerate(_rows(path), start=1):
        place = f"{path}#{number}"
        text = _field(row, columns.code or columns.reply, place)
        if text is None:
            continue
        told = {name: _field(row, getattr(columns, name), place) for name in ("model", "stage", "gpu")}
        told = {name: value or columns.constants.get(name) for name, value in told.items()}
        sample = _field(row, columns.sample, place)
        yield Reply(
            model=str(told["model"] or LOCAL), sample=_number(sample, number - 1), text=str(text),
            source=place, problem=named.of(row, place), stage=told["stage"], gpu=told["gpu"],
            is_code=columns.code is not None,
        )  # fmt: skip


class _Problems:
    """Finds the problem of a row by name or by the text of its reference."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._by_text: dict[str, str] | None = None

    def of(self, row: Mapping[str, Any], place: str) -> str:
        columns = self._columns
        name = _field(row, columns.problem, place) or columns.constants.get("problem")
        if name is not None:
            return columns.problems.get(str(name), str(name))
        if self._by_text is None:
            known = ((load_problem(one).problem.reference, one) for one in problem_names())
            self._by_text = {text_hash(reference): one for reference, one in known}
        reference = str(_field(row, columns.reference, place) or "")
        found = self._by_text.get(text_hash(reference))
        if found is None:
            raise UsageError(f"{place}: no problem here has its reference; make one of it first")
        return found


def _field(row: Mapping[str, Any], column: str | None, place: str) -> Any:
    """Return the value of a column; None where the mapping has none or the row leaves it empty."""
    if column is None:
        return None
    value: Any = row
    for step in column.split("."):
        if not isinstance(value, Mapping) or step not in value:
            known = ", ".join(map(str, row))[:300]
            raise UsageError(f"{place}: there is no column {column!r}; there are: {known}")
        value = value[step]
    return value


def _number(sample: Any, otherwise: int) -> int:
    return int(sample) if isinstance(sample, int | str) and str(sample).isdigit() else otherwise


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    if path.suffix.lower() == ".parquet":
        yield from _parquet(path)
    elif path.suffix.lower() in {".jsonl", ".ndjson"}:
        yield from _json_lines(path)
    else:
        raise UsageError(f"{path}: rows are lines of JSON (.jsonl) or Parquet (.parquet)")


def _json_lines(path: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{path}#{number}: not valid JSON: {error}") from error
        if not isinstance(row, dict):
            raise UsageError(f"{path}#{number}: give one JSON object a line")
        yield row


def _parquet(path: Path) -> Iterator[dict[str, Any]]:
    if find_spec("pyarrow") is None:
        raise EnvironmentFailure("Parquet needs pyarrow: pip install 'kernel-harness[parquet]'")
    from pyarrow import ArrowException, parquet

    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=256):
                yield from batch.to_pylist()
    except (OSError, ArrowException) as error:
        raise UsageError(f"{path}: not Parquet that can be read: {error}") from error
