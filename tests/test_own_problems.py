"""The problems that ship: what is meant to pass passes on a CPU, and their tolerances hold.

Some of the cases here, no variants and no audits; `kernel-harness validate` does all of it, in a slow test.
"""

from pathlib import Path

import pytest

pytest.importorskip("triton", reason="needs the extra `eval`")

from eval import Job
from eval.records import Passed
from harness.problems import load_problem, problem_names
from harness.validate import attack

NAMES = problem_names()
LIST = (Path(__file__).parent.parent / "docs" / "own_problems.md").read_text(encoding="utf-8")
STEP = 3
"""Every third case: tiny ones, odd ones and some around the end of a block."""


def quick(name, code, rules="strict"):
    problem = load_problem(name).problem
    few = problem.model_copy(update={"cases": problem.cases[1::STEP], "variants": ()})
    return Job(problem=few, code=code, rules=rules, audits=False, device="cpu", timing=False)


@pytest.mark.parametrize("name", NAMES)
def test_the_solution_passes(name, judge):
    verdict = judge.evaluate(quick(name, load_problem(name).solution.read_text(encoding="utf-8")))
    assert isinstance(verdict, Passed), verdict.detail


@pytest.mark.parametrize("name", NAMES)
def test_the_current_code_passes(name, judge):
    verdict = judge.evaluate(quick(name, load_problem(name).current_code))
    assert isinstance(verdict, Passed), verdict.detail


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_that_is_almost_right_does_not(name, judge):
    code = attack(load_problem(name).problem.reference, "half-precision rounding")
    verdict = judge.evaluate(quick(name, code, rules="off"))
    assert verdict.status == "incorrect", verdict.detail


@pytest.mark.parametrize("name", NAMES)
def test_every_size_has_its_limits(name):
    problem = load_problem(name).problem
    sizes = {size.name for size in problem.sizes}
    assert set(problem.min_bytes) == sizes
    assert set(problem.min_flops) in (set(), sizes)
    assert all(size.memory_gb for size in problem.sizes)
    assert f"| `{name}` |" in LIST


def test_there_are_memory_bound_and_compute_bound_problems():
    compute_bound = {name for name in NAMES if load_problem(name).problem.min_flops}
    assert {"matmul", "attention"} <= compute_bound
    assert len(NAMES) - len(compute_bound) >= 12
