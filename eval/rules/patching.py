"""Rule `patching`: imported modules, their classes, builtins and kernels stay as they are."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from eval.records import Violation
from eval.rules.candidate import Candidate
from eval.rules.module import Chain
from eval.rules.report import violation
from eval.rules.scopes import Scope, builtin_called, path_of

RULE = "patching"
_SETATTR_ARGUMENTS = 3


def check(candidate: Candidate) -> Iterator[Violation]:
    """Yield each assignment to something that the candidate does not own."""
    for chain in candidate.module.chains:
        if chain.context == "store" and chain.attributes:
            yield from _stored(candidate, chain)
    for node, scope in candidate.module.each(ast.Subscript):
        if not isinstance(node.ctx, ast.Load):
            path = path_of(node.value, scope)
            if path is not None:
                yield violation(RULE, node, f"this changes `{path}`: leave imported objects as they are")
    for call, scope in candidate.module.each(ast.Call):
        if builtin_called(call, scope) == "setattr" and not _own_literal(call, scope):
            yield violation(RULE, call, "`setattr`: assign to attributes of self by name")


def _stored(candidate: Candidate, chain: Chain) -> Iterator[Violation]:
    target = ".".join(chain.attributes)
    if chain.path is not None:
        yield violation(RULE, chain.node, f"this replaces `{chain.path}`: leave imported objects as they are")
    elif candidate.module.kernel_of(chain.base, chain.scope) is not None:
        yield violation(
            RULE, chain.node, f"this changes `.{target}` of a kernel: write it into its definition"
        )
    elif chain.attributes[-1] == "data" and chain.scope.receiver != getattr(chain.base, "id", ""):
        yield violation(RULE, chain.node, "this swaps a tensor's memory: return a tensor of its own instead")
    elif builtin_called(chain.base, chain.scope) == "type":
        yield violation(RULE, chain.node, f"this changes `.{target}` of a class that is not yours")


def _own_literal(node: ast.Call, scope: Scope) -> bool:
    if len(node.args) != _SETATTR_ARGUMENTS or not isinstance(node.args[0], ast.Name):
        return False
    name = node.args[1]
    plain = isinstance(name, ast.Constant) and isinstance(name.value, str) and not name.value.startswith("_")
    return plain and node.args[0].id == scope.receiver
