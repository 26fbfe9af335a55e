"""What attacks mean for a problem: quarantined with a reason, sound, or not decided; and who remembers it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from eval.assay import Assay
from eval.records import Problem
from harness.store import Store
from harness.validate.run import AGREES, INCORRECT, Finding


class Standing(NamedTuple):
    """What attacks decided of one problem's text."""

    problem_hash: str
    problem: str
    reason: str | None
    """Why it is quarantined; None where it held."""


def standing_of_assay(assay: Assay) -> Standing | None:
    """Return what the attacks on a file decided; None where it could not be judged."""
    if assay.status == "skipped":
        return None
    weak = assay.status == "quarantined"
    reason = (assay.reason or "an attack was accepted") if weak else None
    return Standing(assay.hash, assay.problem, reason)


def standing_of_findings(problem: Problem, found: Sequence[Finding]) -> Standing | None:
    """Return what all checks of a folder decided; a failure of ours decides nothing."""
    accepted = [one.check.removesuffix(INCORRECT) for one in found if _accepted(one)]
    if accepted:
        return Standing(problem.hash, problem.name, f"accepts {', '.join(accepted)}")
    if any(one.check == AGREES and one.detail.startswith("incorrect") for one in found):
        return Standing(problem.hash, problem.name, "refuses its own reference")
    if all(one.ok for one in found):
        return Standing(problem.hash, problem.name, None)
    return None


class Memory:
    """Writes into a store what was decided, problem by problem, so that an interruption loses none."""

    def __init__(self, path: Path) -> None:
        """Open the store once where there is one: what is wrong with it is told before the work."""
        self._path = path
        self.weak: list[str] = []
        """Names of those that are quarantined."""
        if path.exists():
            Store(path).close()

    def keep(self, standing: Standing | None) -> None:
        """Remember it; where there is no store yet, one is made for what is quarantined alone."""
        if standing is None:
            return
        problem_hash, problem, reason = standing
        if reason is not None:
            self.weak.append(problem)
            with Store(self._path) as store:
                store.quarantine(problem_hash, problem, reason)
        elif self._path.exists():
            with Store(self._path) as store:
                store.lift_quarantine(problem_hash)


def _accepted(found: Finding) -> bool:
    return found.check.endswith(INCORRECT) and found.detail.startswith("passed")
