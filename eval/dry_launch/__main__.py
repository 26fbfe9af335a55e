"""Dry launches as a process: one request a line on stdin, one answer a line on stdout.

An answer is ``{"report": …}`` or, for a failure of ours, ``{"error": …}``.

Usage: python -m eval.dry_launch
"""

from __future__ import annotations

import contextlib
import json
import os
import sys

from eval.dry_launch.records import DryRequest
from eval.judge.processes import Zygote


def main() -> None:
    """Serve requests until stdin ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever the reference prints must not look like an answer
    with contextlib.closing(Zygote(cuda=False, dry=True)) as zygote:
        for line in sys.stdin:
            answers.write(json.dumps(_answer(zygote, line)) + "\n")
            answers.flush()


def _answer(zygote: Zygote, line: str) -> dict[str, object]:
    # Torch is loaded here while the runners' parent, which loads it too, is starting.
    from eval.dry_launch.launcher import DryLauncher, compiler_is_here
    from eval.judge.faults import JudgeError
    from eval.judge.proposals import references
    from eval.judge.reference import CaseReference, size_case

    if not compiler_is_here():
        return {"error": "this Triton brings no ptxas, NVIDIA's assembler: nothing can be compiled"}
    request = DryRequest.model_validate_json(line)
    try:
        official = CaseReference(request.problem, size_case(request.problem, request.size))
        cases = [official, *references(request.problem, request.problem.cases)[-1:]]
        report = DryLauncher(zygote, request.gpu).launch(request.code, cases, request.limits)
    except JudgeError as error:
        return {"error": str(error)}
    return {"report": report.model_dump(mode="json")}


if __name__ == "__main__":
    main()
