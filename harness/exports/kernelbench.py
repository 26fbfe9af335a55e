"""KernelBench's ``eval_results.json``: samples by problem, for its own analysis scripts.

The form knows one model on one GPU and neither rules nor tracks: a candidate is correct there where it
is on the open track. Our own failures and what the interpreter cannot run are left out.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, BinaryIO

from harness.errors import UsageError
from harness.records import Facts

_NOT_COMPILED = {"extract", "parse", "import", "init", "compile", "output_rules", "tampering"}
_NOT_MEASURED = -1.0


def write(facts: Iterable[Facts], out: BinaryIO, keys: Mapping[str, str]) -> None:
    """Write the results of one model at one place; more than one is a `UsageError`."""
    chosen = [one for one in facts if one.status is not None and one.kind != "unsupported" and not one.void]
    for name, values in (
        ("model", {one.model for one in chosen}),
        ("GPU", {one.gpu or "CPU" for one in chosen}),
    ):
        if len(values) > 1:
            raise UsageError(
                f"this form holds one {name}, not {', '.join(sorted(values))}; choose with --{name.lower()}"
            )
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for one in chosen:
        found[keys.get(one.problem, one.problem)].append(_sample(one))
    for samples in found.values():
        samples.sort(key=lambda sample: sample["sample_id"])
    out.write(json.dumps(dict(sorted(found.items(), key=_order)), indent=4).encode())


def _order(item: tuple[str, Any]) -> tuple[bool, int, str]:
    key = item[0]
    return (not key.isdecimal(), int(key) if key.isdecimal() else 0, key)


def _sample(facts: Facts) -> dict[str, Any]:
    correct = facts.status == "passed" and bool(facts.open)
    timed = correct and facts.ms is not None
    metadata: dict[str, Any] = {
        "hardware": facts.gpu or "CPU",
        "device": facts.device,
        "kernel_harness": {
            "attempt": facts.id,
            "status": facts.status,
            "kind": facts.kind,
            "evaluator": facts.evaluator,
            "stage": facts.stage,
            "stage_legal": facts.stage_legal,
            "speedup_eager": facts.eager if correct else None,
        },
    }
    return {
        "sample_id": facts.sample,
        "compiled": facts.kind not in _NOT_COMPILED,
        "correctness": correct,
        "metadata": metadata,
        "runtime": facts.ms if timed else _NOT_MEASURED,
        "runtime_stats": {"median": facts.ms} if timed else {},
    }
