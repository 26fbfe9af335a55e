"""Call a candidate under a profiler: warm up until nothing is tuned or compiled any more, then once measured.

It runs in a process of its own, started by exec under ``ncu`` with an empty environment and a scratch
folder; `eval.profile.walls` says which walls stand around it.

Usage: python -m eval.profile JOB.json SCRATCH
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch

from eval.judge.reference import patched_source, size_case
from eval.profile import walls
from eval.records import Job
from eval.runner.load import load_module

_WARM_UP_CALLS = 3


def main() -> None:
    """Profile the job in the file that the command line names."""
    job = Job.model_validate_json(Path(sys.argv[1]).read_text(encoding="utf-8"))
    scratch = Path(sys.argv[2])
    case = size_case(job.problem, job.size)
    walls.enter(scratch)
    reference = load_module(
        patched_source(job.problem.reference, case.constants), scratch / "reference.py", "reference"
    )
    candidate = load_module(job.code, scratch / "candidate.py", "candidate")
    with torch.no_grad():
        with torch.device("cuda"):
            inputs = [_placed(value) for value in reference.get_inputs()]
        model = candidate.ModelNew(*reference.get_init_inputs()).cuda()
        for _ in range(_WARM_UP_CALLS):
            model(*inputs)
        torch.cuda.synchronize()
        runtime: Any = torch.cuda.cudart()
        runtime.cudaProfilerStart()
        model(*inputs)
        torch.cuda.synchronize()
        runtime.cudaProfilerStop()


def _placed(value: Any) -> Any:
    return value.cuda() if isinstance(value, torch.Tensor) else value


if __name__ == "__main__":
    main()
