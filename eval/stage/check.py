"""Decide the stage track of one candidate: every rule of the stage, and its scope."""

from __future__ import annotations

from eval.records import Record, Severity, Violation
from eval.stage.checks import CHECKS, UNDECIDED, Context
from eval.stage.records import StageRules
from eval.stage.scope import Difference, paired, same_scope
from eval.stage.sides import Ran, read_side

SCOPE = "scope"
_MOST = 50
_LONGEST = 400


class StageReport(Record):
    """What the rules of a stage say about one candidate."""

    violations: tuple[Violation, ...] = ()
    undecided: tuple[str, ...] = ()
    """Rules that could not be decided with what is known."""

    @property
    def legal(self) -> bool | None:
        """Tell whether the candidate keeps to the stage; None where that is not decided."""
        if any(violation.severity == "error" for violation in self.violations):
            return False
        return None if self.undecided else True


def check_stage(
    code: str,
    current: str | None,
    stage: StageRules,
    *,
    ran: Ran | None = None,
    current_ran: Ran | None = None,
    by_text: bool = True,
) -> StageReport:
    """Check one candidate against a stage; never raises for what the texts hold.

    `ran` and `current_ran` are what running the two has shown, where the text alone does not say; not
    `by_text` also where the candidate's does.
    """
    candidate = read_side(code, ran, by_text=by_text)
    before = read_side(current, current_ran) if current is not None and stage.compares else None
    needed = stage.compares and stage.scope != "any" and before is None
    if candidate is None or needed:
        return StageReport(undecided=(SCOPE,))
    pairs = paired(candidate, before) if before is not None else {}
    context = Context(candidate, before, pairs, stage)
    violations: list[Violation] = []
    undecided: list[str] = []
    differences = _scope(context)
    if differences is None:
        undecided.append(SCOPE)
    violations += [_violation(SCOPE, "error", difference) for difference in differences or ()]
    for name, rule in stage.rules.items():
        for finding in CHECKS[rule.check](rule, context):
            if isinstance(finding, Difference):
                violations.append(_violation(name, rule.severity, finding))
            elif finding == UNDECIDED and rule.severity == "error":
                undecided.append(name)
    unique = tuple(dict.fromkeys(violations))
    arranged = sorted(unique, key=lambda found: (found.severity, found.line or 0, found.column or 0))
    return StageReport(violations=tuple(arranged[:_MOST]), undecided=tuple(dict.fromkeys(undecided)))


def _scope(context: Context) -> tuple[Difference, ...] | None:
    if context.current is None or context.stage.scope == "any":
        return ()
    launches = context.stage.scope == "parameters"
    return same_scope(context.candidate, context.current, context.pairs, launches=launches)


def _violation(rule: str, severity: Severity, difference: Difference) -> Violation:
    message = difference.message
    return Violation(
        rule=rule, track="stage", severity=severity, line=difference.line, column=difference.column,
        message=message if len(message) <= _LONGEST else message[: _LONGEST - 1] + "…",
    )  # fmt: skip
