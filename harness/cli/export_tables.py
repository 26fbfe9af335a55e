"""The forms of `export` that are written from facts, and the bundle of one attempt."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path

from eval.records import Record
from harness.errors import EnvironmentFailure, UsageError
from harness.exports import write
from harness.exports.bundle import write_bundle
from harness.exports.harbor import write_task
from harness.problems import load_problem, problem_names
from harness.prompts import load_gpu, load_stage
from harness.records import Facts
from harness.store import Store


class Selection(Record):
    """Which attempts are exported; None is all of them."""

    run: str | None = None
    problem: str | None = None
    stage: str | None = None
    model: str | None = None

    def of(self, facts: Iterable[Facts]) -> list[Facts]:
        """Return those that match, but for the run, which the store knows."""
        wanted = {"problem": self.problem, "stage": self.stage, "model": self.model}
        return [
            one for one in facts if all(value in {None, getattr(one, name)} for name, value in wanted.items())
        ]


def write_table(store: Path, form: str, selection: Selection, output: Path | None) -> None:
    """Write attempts as rows to a file, or to stdout."""
    with Store(store, read_only=True) as opened:
        facts = selection.of(opened.facts(run=selection.run))
    keys = {
        name: key for name in {one.problem for one in facts} if (key := _kernelbench_id(name)) is not None
    }
    if output is None:
        write(form, facts, sys.stdout.buffer, keys)
        sys.stdout.buffer.flush()
        return
    try:
        with output.open("wb") as file:
            write(form, facts, file, keys)
    except OSError as error:
        raise EnvironmentFailure(f"{output}: cannot write there: {error.strerror}") from error


def _kernelbench_id(problem: str) -> str | None:
    """Return the number that a problem has in KernelBench, by its title or its name."""
    try:
        title = load_problem(problem).title
    except UsageError:
        title = ""  # a problem of another machine
    found = re.search(r"KernelBench level \d+ #(\d+)", title) or re.match(r"(?:level\d+_)?(\d+)_", problem)
    return found[1] if found else None


def write_bundle_of(store: Path, attempt_id: str, output: Path | None) -> None:
    """Write the bundle of one attempt and print its folder."""
    with Store(store, read_only=True) as opened:
        attempt = opened.attempt(attempt_id)
        key = attempt.reply.prompt_hash
        prompt = opened.prompt(key) if key is not None else None
    folder = output or Path(f"attempt-{attempt.id}")
    write_bundle(folder, attempt, prompt, load_problem(attempt.problem))
    sys.stdout.write(f"{folder}\n")


def write_tasks(problem: str | None, stage: str | None, gpu: str, output: Path | None) -> None:
    """Write a task folder for a problem, for all that ship if none is named, and print their paths."""
    wanted, spec = load_stage(stage or "seed"), load_gpu(gpu)
    for name in [problem] if problem is not None else problem_names():
        folder = write_task(output or Path("tasks"), load_problem(name), wanted, spec)
        sys.stdout.write(f"{folder}\n")
