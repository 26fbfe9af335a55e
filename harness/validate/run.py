"""Judge what must pass and what must not for each problem."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from typing import Literal, NamedTuple

from eval import Job, JudgeFailedError, Limits, Verdict
from eval.records import Record, RulesMode
from harness.executors import LocalExecutor
from harness.files import read_text
from harness.problems import ProblemFolder
from harness.validate.attacks import ATTACKS, attack, handed_in

_SUMMARY_CHARS = 300
AGREES = "the reference agrees with itself"
INCORRECT = ": incorrect"
"""How the name of a check ends that an attack is refused."""


class Finding(Record):
    """One check of one problem."""

    problem: str
    check: str
    ok: bool
    detail: str


class _Check(NamedTuple):
    problem: ProblemFolder
    name: str
    code: str
    wanted: tuple[str, ...]
    """Statuses that are right."""
    rules: RulesMode
    audits: bool


def validate(
    problems: Sequence[ProblemFolder], device: Literal["cuda", "cpu"], *, slots: int = 1,
    limits: Limits | None = None,
) -> Iterator[Finding]:  # fmt: skip
    """Yield a finding for each check of each problem, in order."""
    with LocalExecutor(device, slots) as executor:
        waiting = [
            (check, executor.submit(_job(check, device, limits or Limits()))) for check in _checks(problems)
        ]
        for check, future in waiting:
            yield _finding(check, future)


def count(problems: Sequence[ProblemFolder]) -> int:
    """Return how many checks there are."""
    return sum(1 for _ in _checks(problems))


def _checks(problems: Sequence[ProblemFolder]) -> Iterator[_Check]:
    for problem in problems:
        reference = problem.problem.reference
        if problem.solution is not None:
            code = read_text(problem.solution)
            yield _Check(problem, "the solution passes", code, ("passed",), "strict", audits=True)
        if problem.current_code is not None:
            yield _Check(
                problem, "the current code passes", problem.current_code, ("passed",), "strict", audits=True
            )
        answer = handed_in(reference)
        yield _Check(
            problem, "the reference as an answer is rejected", answer, ("rejected",), "strict", audits=True
        )
        yield _Check(
            problem,
            "the reference is rejected by the audits alone",
            answer,
            ("rejected",),
            "off",
            audits=True,
        )
        yield _Check(problem, AGREES, answer, ("passed",), "off", audits=False)
        for name in ATTACKS:
            code = attack(reference, name)
            yield _Check(problem, f"{name}{INCORRECT}", code, ("incorrect",), "off", audits=False)


def _job(check: _Check, device: Literal["cuda", "cpu"], limits: Limits) -> Job:
    return Job(
        problem=check.problem.problem, code=check.code, device=device, rules=check.rules, audits=check.audits,
        limits=limits, timing=False,
    )  # fmt: skip


def _finding(check: _Check, future: Future[Verdict]) -> Finding:
    try:
        verdict = future.result()
    except JudgeFailedError as error:
        return Finding(
            problem=check.problem.name, check=check.name, ok=False, detail=f"error (ours): {error}"
        )
    said = f"{verdict.status}: {verdict.detail}" if verdict.detail else verdict.status
    return Finding(
        problem=check.problem.name, check=check.name, ok=verdict.status in check.wanted,
        detail=said[:_SUMMARY_CHARS],
    )  # fmt: skip
