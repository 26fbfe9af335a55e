"""The command `run`, from its file to the report, with replies that need no runner to be judged."""

import json
import shutil
import subprocess
import sys

import pytest

from harness.data import prompts_dir
from harness.prompts import load_gpu

REPLIES = {
    "a.md": "I would rather not.",
    "b.md": "```python\nimport os\nclass ModelNew:\n    pass\n```\n",
    "c.md": "```python\nimport torch\nclass ModelNew(",
}
RUN = """
problems = ["cumsum_exclusive"]
stages = ["final_micro_tuning"]
gpus = ["4090"]
samples = 3
[[models]]
model = "replay:replies"
concurrency = 1
{budget}
[judge]
device = "cpu"
"""


def kernel_harness(folder, *arguments):
    program = [sys.executable, "-c", "from harness.cli import main; main()", *arguments]
    return subprocess.run(program, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "replies").mkdir()
    for name, text in REPLIES.items():
        (tmp_path / "replies" / name).write_text(text)
    (tmp_path / "run.toml").write_text(RUN.format(budget=""))
    return tmp_path


def test_a_run_is_asked_judged_and_reported(folder):
    ran = kernel_harness(folder, "run", "run.toml", "--json")
    assert ran.returncode == 0, ran.stderr
    *lines, report = ran.stdout.splitlines()
    assert sorted(json.loads(line)["status"] for line in lines) == ["failed", "failed", "rejected"]
    assert json.loads(report) == {"report": "report.html"}
    assert "cumsum_exclusive" in (folder / "report.html").read_text()
    assert "2 failed, 1 rejected; 3 calls" in ran.stderr


def test_the_same_command_buys_and_judges_nothing_again(folder):
    kernel_harness(folder, "run", "run.toml")
    again = kernel_harness(folder, "run", "run.toml", "--json")
    assert again.returncode == 0, again.stderr
    assert "0 calls" in again.stderr
    assert all(json.loads(line)["cached"] for line in again.stdout.splitlines()[:-1])


def test_files_of_ones_own_are_judged_by_what_the_run_names(folder):
    made = kernel_harness(folder, "problems", "new", "mine", "--output", "own/mine")
    assert made.returncode == 0, made.stderr
    for kind, name, copy in (("stages", "seed.md", "first.md"), ("gpus", "4090.toml", "card.toml")):
        shutil.copy(prompts_dir() / kind / name, folder / "own" / copy)
    text = (folder / "run.toml").read_text()
    for shipped, own in (
        ("cumsum_exclusive", "own/mine"),
        ("final_micro_tuning", "own/first.md"),
        ("4090", "own/card.toml"),
    ):
        text = text.replace(f'"{shipped}"', f'"{own}"')
    (folder / "run.toml").write_text(text)
    ran = kernel_harness(folder, "run", "run.toml", "--json")
    assert ran.returncode == 0, ran.stderr
    found = [json.loads(line) for line in ran.stdout.splitlines()[:-1]]
    assert [line["status"] for line in found].count("failed") == 2
    assert {(line["problem"], line["stage"]) for line in found} == {("mine", "first")}
    assert {line["hashes"]["gpu"] for line in found} == {load_gpu(str(folder / "own/card.toml")).hash}


def test_what_came_before_the_budget_ended_is_judged(folder):
    (folder / "run.toml").write_text(RUN.format(budget="[budget]\nmax_calls = 2"))
    ran = kernel_harness(folder, "run", "run.toml", "--json")
    assert ran.returncode == 0, ran.stderr
    assert len(ran.stdout.splitlines()) == 3
    assert "stopped by max_calls" in ran.stderr


def test_a_dry_run_asks_nobody(folder):
    ran = kernel_harness(folder, "run", "run.toml", "--dry-run")
    assert ran.returncode == 0, ran.stderr
    assert "replies to buy" in ran.stdout
    assert not (folder / "kernel-harness.db").exists()


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("samples = 3", "sample = 3", "unknown key 'sample'"),
        ("samples = 3", "samples = 0", "samples"),
        ('device = "cpu"', 'size = "huge"', "unknown size 'huge' of cumsum_exclusive"),
        ('"4090"', '"4091"', "unknown GPU '4091'"),
        ('"final_micro_tuning"', '"micro"', "unknown stage 'micro'"),
        ('device = "cpu"', 'device = "tpu"', "device"),
        ("[[models]]", "[[model]]", "names no model"),
    ],
)
def test_a_wrong_file_is_refused_by_name(folder, old, new, says):
    path = folder / "run.toml"
    path.write_text(path.read_text().replace(old, new))
    ran = kernel_harness(folder, "run", "run.toml")
    assert ran.returncode == 2
    assert says in ran.stderr
