"""Run every rule over one candidate and turn the outcome into a verdict."""

from __future__ import annotations

import re
from collections.abc import Iterable

from eval.records import Failed, Rejected, RejectedReason, RulesMode, Tracks, Violation
from eval.rules.facts import kernel_facts, wrapper_names
from eval.rules.library import library_calls
from eval.rules.reading import read
from eval.rules.register import LENIENT_WARNINGS, LIBRARY_RULES, OUTPUT_RULES, RULES
from eval.rules.report import MAX_VIOLATIONS, RuleReport

_LINE_END = re.compile("\r\n|\r|\n")
"""As Python's parser counts lines."""


def check_code(code: str, *, mode: RulesMode) -> RuleReport:
    """Check one candidate; never raises for what the text holds.

    `lenient` turns `imports` and `order` into warnings; `off` finds facts and no violations.
    """
    candidate = read(code)
    if isinstance(candidate, Violation):
        return RuleReport(mode=mode, parse_error=candidate)
    found = () if mode == "off" else tuple(violation for check in RULES for violation in check(candidate))
    return RuleReport(
        mode=mode,
        violations=_arranged(found, code, mode),
        kernels=kernel_facts(candidate),
        wrappers=wrapper_names(candidate),
        library_calls=library_calls(candidate),
    )


def reason_for(violations: Iterable[Violation]) -> RejectedReason:
    """Return what a verdict gives as its reason: tampering before library use before the output rules."""
    rules = {violation.rule for violation in violations if violation.severity == "error"}
    if rules - OUTPUT_RULES - LIBRARY_RULES:
        return "tampering"
    return "library_compute" if rules & LIBRARY_RULES else "output_rules"


def static_verdict(report: RuleReport) -> Failed | Rejected | None:
    """Return the verdict that the rules alone reach, or None where the candidate may run."""
    illegal = Tracks(open=False, stage=False)
    if report.parse_error is not None:
        error = report.parse_error
        detail = f"line {error.line}: {error.message}"
        return Failed(phase="parse", detail=detail, violations=(error,), tracks=illegal, defence="parse")
    if not report.errors:
        return None
    reason = reason_for(report.errors)
    first = next(error for error in report.errors if reason_for((error,)) == reason)
    return Rejected(
        reason=reason,
        detail=f"line {first.line}: {first.message}",
        violations=report.violations,
        tracks=illegal,
        defence=f"rule:{first.rule}",
    )


def _arranged(found: Iterable[Violation], code: str, mode: RulesMode) -> tuple[Violation, ...]:
    unique = {(violation.rule, violation.line, violation.column): violation for violation in found}
    lines = _LINE_END.split(code) if not code.isascii() else None
    errors_first = sorted(
        unique.values(), key=lambda violation: (violation.severity != "error", *_place(violation))
    )
    kept = sorted(errors_first[:MAX_VIOLATIONS], key=_place)
    return tuple(_shown(violation, lines, mode) for violation in kept)


def _place(violation: Violation) -> tuple[int, int]:
    return violation.line or 0, violation.column or 0


def _shown(violation: Violation, lines: list[str] | None, mode: RulesMode) -> Violation:
    changes: dict[str, object] = {}
    if mode == "lenient" and violation.rule in LENIENT_WARNINGS:
        changes["severity"] = "warning"
    if lines is not None and violation.line is not None and violation.column:
        # ast counts columns in bytes of UTF-8, readers in characters
        before = lines[violation.line - 1].encode()[: violation.column]
        changes["column"] = len(before.decode(errors="ignore"))
    return violation.model_copy(update=changes) if changes else violation
