"""Parquet, through pyarrow: the extra `parquet`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from typing import BinaryIO

from harness.errors import EnvironmentFailure
from harness.exports.columns import COLUMNS, row
from harness.records import Facts


def write(facts: Iterable[Facts], out: BinaryIO, keys: Mapping[str, str]) -> None:  # noqa: ARG001 - every form's signature
    """Write one row an attempt, with the types of `COLUMNS`; null is "not measured"."""
    if find_spec("pyarrow") is None:
        raise EnvironmentFailure("Parquet needs pyarrow: pip install 'kernel-harness[parquet]'")
    import pyarrow as pa
    from pyarrow import parquet

    types = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
    schema = pa.schema([(name, types[kind]) for name, kind in COLUMNS.items()])
    parquet.write_table(pa.Table.from_pylist([row(one) for one in facts], schema=schema), out)
