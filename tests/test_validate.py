"""Problems under attack: a good one holds, a weak one is found out."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
from judge_work import HONEST, REFERENCE

from harness.problems import load_problem
from harness.validate import ATTACKS, attack, handed_in, validate

ROOT = Path(__file__).parent.parent
PROBLEM_FILE = """
title = "A tiny problem"
cpu_dtypes = ["float32"]
sizes = [{ name = "full", constants = { rows = 4, columns = 33 } }]
cases = [
  { name = "3x5", constants = { rows = 3, columns = 5 } },
  { name = "2x33", constants = { rows = 2, columns = 33 } },
]
"""
WEAK = "return torch.softmax(x, dim=-1).sum(dim=-1, keepdim=True).expand(x.shape).contiguous()"


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "tiny"
    made.mkdir()
    (made / "problem.toml").write_text(PROBLEM_FILE)
    (made / "reference.py").write_text(REFERENCE)
    return made


def test_the_reference_is_handed_in_under_the_candidates_name():
    code = handed_in("class Model(Base):\n    def f(self):\n        return super(Model, self).f()\n")
    assert code == "class ModelNew(Base):\n\n    def f(self):\n        return super(ModelNew, self).f()"


@pytest.mark.parametrize("name", ATTACKS)
def test_attacks_are_candidates(name):
    code = attack(REFERENCE, name)
    classes = [node.name for node in ast.parse(code).body if isinstance(node, ast.ClassDef)]
    assert classes == ["Model", "ModelNew"]


def findings(folder):
    pytest.importorskip("triton", reason="needs the extra `eval`")
    return {found.check: found for found in validate([load_problem(folder)], "cpu")}


def test_a_good_problem_holds(folder):
    (folder / "solution.py").write_text(HONEST)
    found = findings(folder)
    assert {check: entry.detail for check, entry in found.items() if not entry.ok} == {}
    assert len(found) == 4 + len(ATTACKS)
    assert {entry.problem for entry in found.values()} == {"tiny"}


def test_a_problem_whose_answer_is_constant_is_found_out(folder):
    (folder / "reference.py").write_text(REFERENCE.replace("return x * self.factor + 1", WEAK))
    wrong = {check for check, entry in findings(folder).items() if not entry.ok}
    assert {"ones: incorrect", "shuffled answer: incorrect", "previous answer: incorrect"} <= wrong
    assert "zeros: incorrect" not in wrong
    assert "the reference agrees with itself" not in wrong


def test_a_wrong_solution_is_found_out(folder):
    (folder / "solution.py").write_text(HONEST.replace("* factor + 1", "* factor + 2"))
    found = findings(folder)["the solution passes"]
    assert not found.ok
    assert found.detail.startswith("incorrect")


@pytest.mark.slow
def test_the_problems_that_ship_hold():
    code = "from harness.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "validate", "--device", "cpu", "--jobs", "2", "--json"],
        cwd=ROOT, capture_output=True, text=True, timeout=3000, check=False,
    )  # fmt: skip
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line for line in lines if not line["ok"]] == []
    assert {"problem", "check", "ok", "detail"} == set(lines[0])
    assert done.returncode == 0
