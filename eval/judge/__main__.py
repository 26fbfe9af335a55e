"""The judge as a process: one job a line on stdin, one answer a line on stdout.

Usage: python -m eval.judge cpu|cuda

An answer is ``{"verdict": …}`` or, for a failure of ours, ``{"error": …}``.
"""

from __future__ import annotations

import json
import os
import sys
import traceback

from eval.judge.bench import Bench
from eval.records import Job


def main() -> None:
    """Serve jobs until stdin ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever the reference prints must not look like a verdict
    bench = Bench(cuda=sys.argv[1] == "cuda")
    try:
        for line in sys.stdin:
            answers.write(json.dumps(_answer(bench, line)) + "\n")
            answers.flush()
    finally:
        bench.close()


def _answer(bench: Bench, line: str) -> dict[str, object]:
    try:
        verdict = bench.judge(Job.model_validate_json(line))
    except Exception as error:  # noqa: BLE001 - our own failure goes to its one owner, the caller
        traceback.print_exc()
        return {"error": f"{type(error).__name__}: {error}"}
    return {"verdict": verdict.model_dump(mode="json")}


if __name__ == "__main__":
    main()
