"""Attack problems without any runner: find out what would pass if a candidate answered it.

Usage: python -m eval.judge.assay MEMORY_GB; one problem a line on stdin, one `Assay` a line on stdout.
"""

from __future__ import annotations

import contextlib
import os
import resource
import secrets
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch

from eval.assay import Assay, AttackResult
from eval.judge.attacks import ATTACKS, BY_CONSTRUCTION, Seen
from eval.judge.calls import Caller
from eval.judge.faults import JudgeError
from eval.judge.proposals import families, references
from eval.judge.regions import HostRegion, bytes_needed
from eval.judge.source import our_failure
from eval.judge.tolerance import Right, Tolerance
from eval.judge.weights import new_state
from eval.records import Problem

if TYPE_CHECKING:
    from eval.judge.reference import CaseReference

_SECONDS = 20.0
_CALLS = 12
"""A candidate is called at least as often."""
_BUILT_CALLS = 2
"""Calls of a case with the weights that constructors make: they mend what new weights would hide."""
_LUCK = 0.01
"""An attack that passes more often than this is accepted."""
_random = secrets.SystemRandom()


class _Count:
    """How often an attack passed, by case, and whether it was ever anything but the right answer."""

    def __init__(self) -> None:
        self.tries: dict[str, list[bool]] = {}
        self.wrong = False

    def add(self, case: str, *, passed: bool, equal: bool) -> None:
        self.tries.setdefault(case, []).append(passed)
        self.wrong |= not equal

    def luck(self) -> float:
        """Probability to pass a trial, which calls every case and then some again."""
        shares = [sum(tries) / len(tries) for tries in self.tries.values()]
        chance = 1.0
        for share in shares:
            chance *= share
        return float(chance * (sum(shares) / len(shares)) ** max(0, _CALLS - len(shares)))

    def passes(self) -> bool:
        """Tell whether that is too often."""
        return bool(self.tries) and self.luck() > _LUCK


def assay(problem: Problem) -> Assay:
    """Attack one problem on its deciding cases, and say what came of it."""
    start = time.monotonic()
    try:
        with our_failure("fails on some contents"):
            found = _attacked(problem)
    except JudgeError as error:
        found = Assay(problem=problem.name, hash=problem.hash, status="skipped", reason=str(error))
    return found.model_copy(update={"seconds": round(time.monotonic() - start, 3)})


def _attacked(problem: Problem) -> Assay:
    cases = references(problem, problem.cases)
    names = families(problem)
    counts, built = ({name: _Count() for name in ("the reference itself", *ATTACKS)} for _ in range(2))
    deadline = time.monotonic() + _SECONDS
    for case in cases:
        with contextlib.closing(HostRegion(bytes_needed(case.inputs, HostRegion.align, 2), 0)) as region:
            tools = (Caller(problem, region), Tolerance(problem))
            _attack_case(tools, case, names, counts, deadline)
            if any(entry.kind == "parameter" for entry in case.keeps()):
                _attack_case(tools, case, names[:_BUILT_CALLS], built, deadline, renewed=False)
    own = counts.pop("the reference itself")
    attacks = tuple(_result(name, count, built[name]) for name, count in counts.items())
    accepted = [result.attack for result in attacks if result.outcome == "accepted"]
    reason = f"accepts: {', '.join(accepted)}" if accepted else None
    if accepted and not any(counts[name].passes() for name in accepted):
        reason = f"with the weights that its constructor makes, {reason}"
    if own.luck() < 1:
        reason = "the reference's own answer is outside of the tolerance" + (f"; {reason}" if reason else "")
    return Assay(
        problem=problem.name, hash=problem.hash, status="quarantined" if reason else "sound", reason=reason,
        cases=tuple(case.case.name for case in cases),
        variants=tuple(case.case.name for case in references(problem, problem.variants)), families=names,
        weights=max(sum(e.tensor.numel() for e in case.keeps() if e.kind == "parameter") for case in cases),
        stateful=any(case.stateful for case in cases), attacks=attacks,
    )  # fmt: skip


def _attack_case(
    tools: tuple[Caller, Tolerance], case: CaseReference, names: tuple[str, ...], counts: dict[str, _Count],
    deadline: float, *, renewed: bool = True,
) -> None:  # fmt: skip
    caller, tolerance = tools
    earlier: list[torch.Tensor] | None = None
    for family in ["", *_random.sample(names, len(names))]:
        if earlier is not None and counts["zeros"].tries.get(case.case.name) and time.monotonic() > deadline:
            return
        state = new_state(case, renewed=renewed)
        prepared = caller.prepare(case, family or names[0])
        answer = case.rounded(prepared.private, state)
        if earlier is not None:
            right = tolerance.right(case, prepared.private, state)
            given = next((x for x in prepared.private if isinstance(x, torch.Tensor)), None)
            seen = [Seen(part, given, before) for part, before in zip(answer, earlier, strict=True)]
            _try_all(tolerance, case.case.name, right, seen, counts)
        earlier = answer


def _try_all(
    tolerance: Tolerance, case: str, right: list[Right], seen: list[Seen], counts: dict[str, _Count]
) -> None:
    answer = [one.right for one in seen]
    counts["the reference itself"].add(case, passed=tolerance.worst(right, answer) is None, equal=True)
    for name, attack in ATTACKS.items():
        outputs = [attack(one) if one.right.numel() else one.right for one in seen]
        equal = all(torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in zip(outputs, answer, strict=True))
        counts[name].add(case, passed=tolerance.worst(right, outputs) is None, equal=equal)


def _result(name: str, count: _Count, built: _Count) -> AttackResult:
    if not count.wrong and not built.wrong and name in BY_CONSTRUCTION:
        return AttackResult(attack=name, outcome="skipped", detail=BY_CONSTRUCTION[name])
    passed = f"passes {count.luck():.0%} of all trials"
    weak = built.passes() and (built.wrong or name not in BY_CONSTRUCTION)
    if weak:
        passed += f", {built.luck():.0%} with the weights that its constructor makes"
    accepted = weak or (count.passes() and (count.wrong or name not in BY_CONSTRUCTION))
    return AttackResult(attack=name, outcome="accepted" if accepted else "refused", detail=passed)


def main() -> None:
    """Serve problems until stdin ends."""
    memory = int(float(sys.argv[1]) * 1e9)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a reference prints must not look like an answer
    torch.set_num_threads(1)
    for line in _lines():
        answers.write(assay(Problem.model_validate_json(line)).model_dump_json() + "\n")
        answers.flush()


def _lines() -> Iterator[Any]:
    yield from sys.stdin


if __name__ == "__main__":
    main()
