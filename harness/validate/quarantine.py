"""What attacks mean for a problem: quarantined with a reason, sound, or not decided."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

from eval.assay import Assay
from harness.problems import ProblemFolder
from harness.store import Store
from harness.validate.run import AGREES, INCORRECT, Finding

Reasons = dict[str, str | None]
"""By name of the problem: why it is quarantined, None where it held. What was not decided is not there."""


def reasons_of_assays(assays: Iterable[Assay]) -> Reasons:
    """Return what the attacks on files showed."""
    kept = {one.problem: one for one in assays if one.status != "skipped"}
    return {
        name: (one.reason or "an attack was accepted") if one.status == "quarantined" else None
        for name, one in kept.items()
    }


def reasons_of_findings(found: Sequence[Finding]) -> Reasons:
    """Return what the checks of folders showed; a failure of ours decides nothing."""
    made: Reasons = {}
    for name, group in groupby(sorted(found, key=lambda one: one.problem), key=lambda one: one.problem):
        members = list(group)
        accepted = [one.check.removesuffix(INCORRECT) for one in members if _accepted(one)]
        refuses = [one for one in members if one.check == AGREES and one.detail.startswith("incorrect")]
        if accepted:
            made[name] = f"accepts {', '.join(accepted)}"
        elif refuses:
            made[name] = "refuses its own reference"
        elif all(one.ok for one in members):
            made[name] = None
    return made


def remember(path: Path, problems: Iterable[ProblemFolder], reasons: Reasons) -> tuple[str, ...]:
    """Write it into the store at `path`; where there is none yet, only if a problem is quarantined.

    Returns the names of those that are.
    """
    weak = tuple(name for name, reason in reasons.items() if reason is not None)
    if not path.exists() and not weak:
        return ()
    with Store(path) as store:
        for folder in problems:
            problem = folder.problem
            if problem.name not in reasons:
                continue
            reason = reasons[problem.name]
            if reason is None:
                store.lift_quarantine(problem.hash)
            else:
                store.quarantine(problem.hash, problem.name, reason)
    return weak


def _accepted(found: Finding) -> bool:
    return found.check.endswith(INCORRECT) and found.detail.startswith("passed")
