"""What the static rules say about one candidate, as records."""

from __future__ import annotations

import ast
from typing import Any

from eval.records import Record, RulesMode, Severity, Violation

MAX_VIOLATIONS = 100
"""More than this many are cut: a hostile file must not make a huge verdict."""


class Config(Record):
    """One `triton.Config` that is written out literally."""

    kwargs: dict[str, Any]
    """The meta-parameters, for example ``{"BLOCK_SIZE": 128}``."""
    num_warps: int | None = None
    num_stages: int | None = None
    line: int


class Kernel(Record):
    """One function that Triton compiles."""

    name: str
    line: int
    parameters: tuple[str, ...]
    autotuned: bool
    configs: tuple[Config, ...] | None = None
    """None where there are none or where they are computed."""
    launched: bool
    """True where `forward` reaches a launch of it."""


class RuleReport(Record):
    """The outcome of every rule, and the facts that stage rules and reports build on."""

    mode: RulesMode
    parse_error: Violation | None = None
    violations: tuple[Violation, ...] = ()
    kernels: tuple[Kernel, ...] = ()
    wrappers: tuple[str, ...] = ()
    """Top-level functions that are not kernels, in order."""
    library_calls: tuple[str, ...] = ()
    """Operators of torch that code reachable from `forward` names, each once, sorted."""

    @property
    def errors(self) -> tuple[Violation, ...]:
        """Violations that make the candidate illegal."""
        return tuple(found for found in self.violations if found.severity == "error")


_MAX_MESSAGE = 400
"""A name in a hostile file may be as long as the file."""


def violation(rule: str, node: ast.AST, message: str, severity: Severity = "error") -> Violation:
    """Build a violation of the open track at a node of the tree."""
    return Violation(
        rule=rule,
        track="open",
        severity=severity,
        message=message if len(message) <= _MAX_MESSAGE else message[: _MAX_MESSAGE - 1] + "…",
        line=getattr(node, "lineno", 1),
        column=getattr(node, "col_offset", 0),
    )
