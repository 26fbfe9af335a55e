"""The tampering rules that follow from what is named: imported paths, attributes and builtins.

One rule id each for clocks, streams, graphs, processes, files and so on; the tables are in `paths`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from eval.records import Violation
from eval.rules.candidate import Candidate
from eval.rules.library import allowed_leaf
from eval.rules.module import Chain
from eval.rules.paths import (
    ATTRIBUTES,
    BUILTINS,
    DYNAMIC,
    FILES,
    FRAMES,
    HOOKS,
    INTERNALS,
    PROCESS_EXIT,
    Reason,
    table,
    tampering,
)
from eval.rules.report import violation
from eval.rules.scopes import is_builtin

_BUILTINS = table(
    (DYNAMIC, "exec eval compile __import__"),
    (FRAMES, "globals locals vars dir"),
    (FILES, "open"),
    (PROCESS_EXIT, "exit quit SystemExit KeyboardInterrupt GeneratorExit BaseException BaseExceptionGroup"),
    (BUILTINS, "__builtins__ __loader__ __spec__ __build_class__"),
    (HOOKS, "delattr"),
)


_PUBLIC = frozenset({
    "_init_handles", "_replace", "_asdict", "_fields", "_check", "_check_value", "_check_type",
    "_check_index", "_check_not_implemented", "_assert", "_calculate_fan_in_and_fan_out",
})  # fmt: skip
"""Private by name, and yet what documentation tells people to use."""


def check(candidate: Candidate) -> Iterator[Violation]:
    """Yield a violation for each name, path or attribute that the tables know."""
    for chain in candidate.module.chains:
        found = _reason(candidate, chain)
        if found is not None:
            name, reason = found
            yield violation(reason.rule, chain.node, f"`{name}`: {reason.advice}")


def _reason(candidate: Candidate, chain: Chain) -> tuple[str, Reason] | None:
    if chain.path is not None:
        reason = None if allowed_leaf(chain.path) is not None else tampering(chain.path)
        if reason is not None:
            return chain.path, reason
    elif (
        isinstance(chain.base, ast.Name)
        and chain.base.id in _BUILTINS
        and is_builtin(chain.base.id, chain.scope)
    ):
        return chain.base.id, _BUILTINS[chain.base.id]
    known = [position for position, attribute in enumerate(chain.attributes) if _attribute_reason(attribute)]
    if known and known[-1] >= candidate.own_attributes(chain):
        attribute = chain.attributes[known[-1]]
        private = attribute not in ATTRIBUTES
        reason = None if private and candidate.mentions(attribute) else _attribute_reason(attribute)
        return (f".{attribute}", reason) if reason is not None else None
    return None


def _attribute_reason(attribute: str) -> Reason | None:
    private = attribute.startswith("_") and not attribute.endswith("__") and attribute not in _PUBLIC
    return ATTRIBUTES.get(attribute, INTERNALS if private else None)
