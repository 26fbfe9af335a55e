"""Findings about problems that are files: every attack must be refused, and none is run as a candidate."""

from __future__ import annotations

from collections.abc import Iterator

from eval.assay import Assay
from harness.validate.run import Finding


def findings(assay: Assay) -> Iterator[Finding]:
    """Yield a finding for each attack on one problem; one that cannot be judged gives a single one."""
    if assay.status == "skipped":
        yield _finding(assay, "can be judged", ok=False, detail=f"skipped: {assay.reason}")
        return
    for result in assay.attacks:
        detail = f"{result.outcome}: {result.detail}" if result.detail else result.outcome
        yield _finding(assay, f"{result.attack}: refused", ok=result.outcome != "accepted", detail=detail)
    fine = assay.status == "sound"
    yield _finding(assay, "sound", ok=fine, detail=assay.reason or f"{len(assay.cases)} cases")


def _finding(assay: Assay, check: str, *, ok: bool, detail: str) -> Finding:
    return Finding(problem=assay.problem, check=check, ok=ok, detail=detail)
