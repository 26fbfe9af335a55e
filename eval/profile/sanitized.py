"""Call a candidate under compute-sanitizer, once with each autotune configuration, on a small case.

It runs in a process of its own, as `eval.profile` does. Inputs come from the host, so that few kernels
beside the candidate's are launched, which the tool would look at too.

Usage: python -m eval.profile.sanitized JOB.json SCRATCH
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch

from eval.judge.proposals import references
from eval.judge.reference import CaseReference
from eval.profile import walls
from eval.records import Job, Problem
from eval.runner.configs import ConfigPlan
from eval.runner.load import load_module
from eval.tensors import torch_dtype

_MOST_CONFIGS = 16


def main() -> None:
    """Run the job in the file that the command line names."""
    job = Job.model_validate_json(Path(sys.argv[1]).read_text(encoding="utf-8"))
    scratch = Path(sys.argv[2])
    case = odd_case(job.problem)
    given = case.given()
    walls.enter(scratch)
    plan = ConfigPlan()
    plan.install(interpret=False)
    plan.forced = 0
    candidate = load_module(job.code, scratch / "candidate.py", "candidate")
    with torch.no_grad():
        model = _placed(candidate.ModelNew(*case.init), case)
        _call(model, given)
        for config in range(1, min(max([1, *plan.counts.values()]), _MOST_CONFIGS)):
            plan.forced = config
            _call(model, given)


def odd_case(problem: Problem) -> CaseReference:
    """Return the largest deciding case with rows of odd length, which no block size divides."""
    cases = references(problem, problem.cases)
    odd = [case for case in cases if _width(case) % 2]
    return max(odd or cases, key=CaseReference.elements)


def _width(case: CaseReference) -> int:
    return max((spec.shape or (1,))[-1] for spec in case.inputs)


def _placed(model: Any, case: CaseReference) -> Any:
    if not isinstance(model, torch.nn.Module):
        return model
    dtype = torch_dtype(case.case.dtype) if case.case.dtype else None
    return model.to("cuda") if dtype is None else model.to("cuda", dtype)


def _call(model: Any, given: list[Any]) -> None:
    model(*[value.cuda() if isinstance(value, torch.Tensor) else value for value in given])
    torch.cuda.synchronize()


if __name__ == "__main__":
    main()
