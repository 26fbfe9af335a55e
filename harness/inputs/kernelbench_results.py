"""A KernelBench run with its ``eval_results.json``: each kernel beside what KernelBench said of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.files import read_text
from harness.inputs.paths import read_replies
from harness.records import Reply

_RESULTS = "eval_results.json"
_KEPT = ("compiled", "correctness", "runtime")


def read_results(run: Path) -> Iterator[tuple[Reply, dict[str, Any] | None]]:
    """Yield the kernels of a run's folder, each with what was claimed of it; None where nothing was.

    Raises `UsageError`: the folder holds no kernels, or its results are not KernelBench's.
    """
    folder = run.parent if run.name == _RESULTS else run
    claims = _claims(folder / _RESULTS)
    for reply in read_replies([folder]):
        number = (reply.problem or "").rpartition("_")[2]
        yield reply, claims.get((number, reply.sample))


def _claims(path: Path) -> dict[tuple[str, int], dict[str, Any]]:
    try:
        held = json.loads(read_text(path))
    except ValueError as error:
        raise UsageError(f"{path}: not valid JSON: {error}") from error
    if not isinstance(held, dict):
        raise UsageError(f"{path}: not KernelBench's results: give an object with problems as its keys")
    found = {}
    for problem, samples in held.items():
        # Its older form held one object, not a list of samples.
        for one in samples if isinstance(samples, list) else [samples]:
            if not isinstance(one, dict) or "correctness" not in one:
                raise UsageError(f"{path}: {problem}: not KernelBench's results: a sample has no correctness")
            found[str(problem), int(one.get("sample_id", 0))] = {name: one.get(name) for name in _KEPT}
    return found
