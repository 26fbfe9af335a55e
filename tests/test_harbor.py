"""Task folders for agent benchmarks: what is in them, what Harbor reads, and their verifier run for real."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from judge_work import HONEST, problem_folder
from typer.testing import CliRunner

from harness.cli import app
from harness.errors import UsageError

ROOT = Path(__file__).resolve().parent.parent


def exported(place, *words):
    given = ["export", "--format", "harbor", "--output", str(place), *map(str, words)]
    result = CliRunner().invoke(app, given, standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return [Path(line) for line in result.stdout.splitlines()]


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    place = tmp_path_factory.mktemp("harbor")
    problem_folder(place / "affine")
    (place / "affine" / "solution.py").write_text(HONEST)
    (made,) = exported(place / "tasks", "--problem", place / "affine", "--stage", "seed", "--gpu", "h100")
    return made


def test_a_task_folder_is_whole(task):
    files = {path.relative_to(task).as_posix() for path in task.rglob("*") if path.is_file()}
    assert files == {
        "task.toml", "instruction.md", "environment/Dockerfile", "environment/reference.py",
        "solution/solve.sh", "solution/solution.py", "tests/Dockerfile", "tests/test.sh", "tests/verify.py",
        "tests/affine/problem.toml", "tests/affine/reference.py", "tests/affine/current.py",
    }  # fmt: skip
    told = tomllib.loads((task / "task.toml").read_text())
    assert told["task"]["name"] == "kernel-harness/affine-seed-h100"
    assert (told["verifier"]["environment_mode"], told["artifacts"]) == ("separate", ["/app/answer.py"])
    instruction = (task / "instruction.md").read_text()
    assert "class Model(nn.Module)" in instruction
    assert "/app/answer.py" in instruction
    assert os.access(task / "tests" / "test.sh", os.X_OK)
    # What the agent has tells nothing of the cases.
    assert not any("3x5" in path.read_text() for path in (task / "environment").iterdir())
    with pytest.raises(UsageError, match="is there already"):
        exported(task.parent, "--problem", task / "tests" / "affine", "--stage", "seed")


def test_a_task_for_every_problem_that_ships(tmp_path):
    made = exported(tmp_path / "tasks", "--stage", "seed", "--gpu", "4090")
    assert "cumsum-exclusive-seed-4090" in {path.name for path in made}
    with pytest.raises(UsageError, match="unknown problem 'afine'"):
        exported(tmp_path / "tasks", "--problem", "afine")


def test_harbor_reads_it(task):
    models = pytest.importorskip("harbor.models.task.task", reason="needs harbor, from Python 3.12 on")
    read = models.Task(task)
    assert read.config.verifier.environment_mode == "separate"
    assert "/app/answer.py" in read.instruction
    assert read.paths.tests_dir == task.resolve() / "tests"


ANSWERS = {"honest": (HONEST, 0.3), "nothing": (None, 0.0)}


@pytest.mark.parametrize("name", ANSWERS)
def test_the_verifier_calls_the_judge(task, tmp_path, name):
    pytest.importorskip("triton", reason="needs the extra `eval`")
    code, expected = ANSWERS[name]
    if code is not None:
        (tmp_path / "answer.py").write_text(code)
    done = verified(task, tmp_path, "local")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "logs" / "reward.json").read_text())
    assert found == {"reward": expected, "passed": float(name == "honest")}
    verdict = json.loads((tmp_path / "logs" / "verdict.json").read_text())
    assert (verdict["problem"], verdict["stage"]) == ("affine", "seed")
    assert done.stdout.startswith("The last candidate: ")


def test_no_judge_gives_no_reward(task, tmp_path):
    (tmp_path / "answer.py").write_text(HONEST)
    done = verified(task, tmp_path, "not-a-url")
    assert (done.returncode, "no URL" in done.stderr) == (2, True)
    assert not (tmp_path / "logs").exists()


def verified(task, place, judge):
    given = {
        "KERNEL_HARNESS_ANSWER": str(place / "answer.py"), "KERNEL_HARNESS_LOGS": str(place / "logs"),
        "KERNEL_HARNESS_JUDGE": judge, "PATH": f"{place / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }  # fmt: skip
    (place / "bin").mkdir()
    (place / "bin" / "python3").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (place / "bin" / "python3").chmod(0o755)
    return subprocess.run(
        [task / "tests" / "test.sh"], env=os.environ | given, text=True, capture_output=True, check=False
    )
