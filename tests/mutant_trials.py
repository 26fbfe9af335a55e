"""Judge mutants for correctness alone, and ask the oracle about those that pass.

`python tests/mutant_trials.py 700` prints the table of docs/measurements/mutants_cpu.md.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar

from mutants import Mutant, sample

from eval import Job, Judge, Limits
from harness.problems import load_problem

WORKERS = 2
_LIMITS = Limits(call_seconds=10, seconds=90)
ORACLE = Path(__file__).with_name("mutant_oracle.py")
_T = TypeVar("_T")


class Trial(NamedTuple):
    mutant: Mutant
    refused: str | None
    """How: reason or phase of the verdict; None for a mutant that passed."""
    detail: str
    changed: str | None = None
    """What the oracle says of one that passed; None where it computes the same."""

    @property
    def outcome(self) -> str:
        if self.refused:
            return "refused"
        return "got through" if self.changed else "equivalent"


def trials(mutants: list[Mutant]) -> list[Trial]:
    """Judge all, then find out which of those that passed compute something else."""
    done = _spread(mutants, judged)
    passed = [trial for trial in done if not trial.refused]
    return [trial for trial in done if trial.refused] + _spread(passed, _ask)


def _spread(items: list[_T], work: Callable[[list[_T]], list[Trial]]) -> list[Trial]:
    with ThreadPoolExecutor(WORKERS) as pool:
        parts = pool.map(work, [items[start::WORKERS] for start in range(WORKERS)])
        return [trial for part in parts for trial in part]


def judged(mutants: Iterable[Mutant]) -> list[Trial]:
    problem = load_problem("cumsum_exclusive").problem.model_copy(update={"variants": ()})
    with Judge("cpu") as judge:
        return [_one(judge, Job(problem=problem, code=mutant.code, device="cpu", rules="off", audits=False,
                                timing=False, limits=_LIMITS), mutant) for mutant in mutants]  # fmt: skip


def _one(judge: Judge, job: Job, mutant: Mutant) -> Trial:
    verdict = judge.evaluate(job)
    if verdict.status == "passed":
        return Trial(mutant, None, "")
    return Trial(mutant, getattr(verdict, "reason", None) or verdict.phase, verdict.detail or "")


def _ask(passed: list[Trial]) -> list[Trial]:
    lines = "".join(json.dumps(trial.mutant.code) + "\n" for trial in passed)
    answer = subprocess.run(
        [sys.executable, str(ORACLE)], input=lines, text=True, stdout=subprocess.PIPE, check=True
    )
    said = [json.loads(line)["changed"] for line in answer.stdout.splitlines()]
    return [trial._replace(changed=changed) for trial, changed in zip(passed, said, strict=True)]


def table(done: list[Trial]) -> str:
    """Counts by class as a table, then the mutants that got through, one a line."""
    outcomes = ("refused", "got through", "equivalent")
    counts = Counter((trial.mutant.kind, trial.outcome) for trial in done)
    lines = ["| class | refused | got through | computes the same |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {kind} | " + " | ".join(str(counts[kind, outcome]) for outcome in outcomes) + " |"
        for kind in sorted({trial.mutant.kind for trial in done})
    ]
    total = Counter(trial.outcome for trial in done)
    lines.append("| all | " + " | ".join(str(total[outcome]) for outcome in outcomes) + " |")
    how = Counter(trial.refused for trial in done if trial.refused)
    lines += ["", "Refused as: " + ", ".join(f"{name} {count}" for name, count in how.most_common()), ""]
    lines += [f"- {trial.mutant.name}: {trial.changed}" for trial in done if trial.outcome == "got through"]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(table(trials(sample(int(sys.argv[1])))) + "\n")
