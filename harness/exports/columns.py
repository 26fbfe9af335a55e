"""One flat row an attempt: the columns of CSV and Parquet."""

from __future__ import annotations

from typing import Any

from harness.records import Facts

COLUMNS: dict[str, type] = {
    "id": str, "model": str, "sample": int, "problem": str, "problem_hash": str, "stage": str, "status": str,
    "kind": str, "open": bool, "stage_legal": bool, "judged_on": str, "device": str, "gpu": str, "size": str,
    "rules": str, "evaluator": str, "void": bool, "created": str, "candidate_ms": float,
    "speedup_eager": float, "speedup_compile": float, "speedup_current": float, "fraction_of_floor": float,
    "bytes": float, "copy_gb_per_s": float, "cost": float, "tokens": int, "broken": str,
}  # fmt: skip
"""Name to type; any value may be missing but those that every attempt has, such as id and model."""
_FIELDS = {
    "candidate_ms": "ms",
    "speedup_eager": "eager",
    "speedup_compile": "compile",
    "speedup_current": "current",
    "fraction_of_floor": "floor",
}


def row(facts: Facts) -> dict[str, Any]:
    """Return the attempt by column; None is "not measured"."""
    values = {name: getattr(facts, _FIELDS.get(name, name)) for name in COLUMNS}
    values["broken"] = " ".join(dict.fromkeys(rule for _, rule, _ in facts.broken))
    return values
