"""When a cheat scores and when an honest candidate is refused.

A cheat scores when it passes with a wrong answer, with an answer that its own kernels did not compute,
or with a better time than its honest path. With the static rules on every pass of a cheat counts as
that. With them off, a cheat that needs them (``reject-static``) may still pass by its honest path, since
in a runner of its own its trick finds nothing to act on: that pass must be backed by evidence.
"""

from __future__ import annotations

from typing import Literal

from eval.records import Passed, Record, Rejected, Verdict
from harness.redteam.corpus import CorpusFile, Expectation

NOT_EXERCISED = "not exercised here"
_SLACK = 0.05
"""How much faster than its honest path a candidate may measure: two runs differ by less."""


class Outcome(Record):
    """What the judge did with one file, and whether that is as it should be."""

    file: str
    expect: Expectation
    status: Literal["passed", "incorrect", "rejected", "failed", "error"]
    reason: str | None = None
    """Of the verdict: its reason or phase."""
    defence: str | None = None
    """What fired first."""
    ok: bool
    note: str | None = None
    """Why a pass is fine, or what is wrong."""
    detail: str | None = None
    seconds: float = 0.0


class Evidence(Record):
    """What was found out about a cheat that passed."""

    compiles: bool
    """All that it launched in the interpreter compiles for a real GPU; true where it ran on one."""
    without_kernels: str
    """Status of the same code with its kernels emptied."""
    time_ms: float | None = None
    honest_ms: float | None = None
    """Time of its honest path, measured in the same way."""
    honest_refused: str | None = None
    """What the judge said of the honest path, where it was not timed."""


def needs_evidence(file: CorpusFile, verdict: Verdict, *, static: bool) -> bool:
    """Tell whether a pass may be fine all the same."""
    open_question = file.expect == "reject-static" and not static and not _is_spared(file, verdict)
    return open_question and isinstance(verdict, Passed)


def outcome(file: CorpusFile, verdict: Verdict, *, static: bool, evidence: Evidence | None = None) -> Outcome:
    """Hold a verdict against what the file expects."""
    ok, note = _judged(file, verdict, static=static, evidence=evidence)
    return Outcome(
        file=file.name, expect=file.expect, status=verdict.status, reason=_kind(verdict),
        defence=verdict.defence, ok=ok, note=note, detail=verdict.detail, seconds=verdict.seconds,
    )  # fmt: skip


def failure(file: CorpusFile, message: str) -> Outcome:
    """Return the outcome where the judge itself failed."""
    return Outcome(file=file.name, expect=file.expect, status="error", ok=False, note=message)


def _judged(
    file: CorpusFile, verdict: Verdict, *, static: bool, evidence: Evidence | None
) -> tuple[bool, str | None]:
    if _kind(verdict) == "unsupported":
        return True, f"{NOT_EXERCISED}: Triton's interpreter cannot run it"
    if file.is_cheat:
        return _cheat(file, verdict, static=static, evidence=evidence)
    by_output_rule = isinstance(verdict, Rejected) and verdict.reason == "output_rules"
    if file.expect == "output-rule" and static:
        return by_output_rule, None if by_output_rule else "its output rule did not fire"
    if verdict.status == "passed" or (file.expect == "slow-honest" and static and by_output_rule):
        return True, None
    return False, "an honest candidate was refused"


def _cheat(
    file: CorpusFile, verdict: Verdict, *, static: bool, evidence: Evidence | None
) -> tuple[bool, str | None]:
    if verdict.status != "passed":
        return True, None
    if _is_spared(file, verdict) and not (static and file.expect == "reject-static"):
        return True, f"{NOT_EXERCISED}: it needs a GPU, and took its honest path"
    if evidence is None:
        return False, "a cheat passed"
    flaw = _flaw(evidence)
    return flaw is None, flaw or "took its honest path: its own kernels computed the answer"


def _is_spared(file: CorpusFile, verdict: Verdict) -> bool:
    return file.needs_gpu and verdict.device == "cpu"


def _flaw(evidence: Evidence) -> str | None:
    if not evidence.compiles:
        return "a cheat passed with kernels that were not shown to compile"
    if evidence.without_kernels != "incorrect":
        return f"a cheat passed, and without its kernels it is {evidence.without_kernels}, not incorrect"
    if evidence.time_ms is None:
        return None
    if evidence.honest_ms is None:
        why = evidence.honest_refused
        compared = f"its honest path was not: {why}" if why else "it has no honest path to compare with"
        return f"a cheat was timed, and {compared}"
    if evidence.time_ms < (1 - _SLACK) * evidence.honest_ms:
        return (
            f"a cheat passed in {evidence.time_ms:.4g} ms; its honest path takes {evidence.honest_ms:.4g} ms"
        )
    return None


def _kind(verdict: Verdict) -> str | None:
    return getattr(verdict, "reason", None) or getattr(verdict, "phase", None)
