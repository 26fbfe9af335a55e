"""Rule `fallback`: a launch that fails must fail; nothing catches it to return an answer made otherwise."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from eval.records import Violation
from eval.rules.candidate import Candidate
from eval.rules.report import violation
from eval.rules.scopes import Scope, own_definition, path_of

RULE = "fallback"
_ADVICE = "remove it: a candidate whose kernel fails has failed"


def check(candidate: Candidate) -> Iterator[Violation]:
    """Yield each handler that swallows what a launch inside its `try` raised."""
    for handler, scope in candidate.module.each(ast.ExceptHandler):
        body = candidate.module.attempts[handler].body
        if scope.kind != "kernel" and not _raises(handler.body) and _launches(candidate, body, scope):
            yield violation(RULE, handler, f"this handler hides a failed launch; {_ADVICE}")
    for attempt, scope in candidate.module.each(ast.Try):
        for node in ast.walk(ast.Module(attempt.finalbody, [])):
            if isinstance(node, ast.Return | ast.Break | ast.Continue) and scope.kind != "kernel":
                yield violation(RULE, node, f"leaving from `finally` hides failures; {_ADVICE}")
    for call, scope in candidate.module.each(ast.Call):
        if path_of(call.func, scope) == "contextlib.suppress":
            yield violation(RULE, call, f"contextlib.suppress hides failures; {_ADVICE}")


def _raises(body: list[ast.stmt]) -> bool:
    last = body[-1]
    if isinstance(last, ast.If):
        return _raises(last.body) and bool(last.orelse) and _raises(last.orelse)
    return isinstance(last, ast.Raise)


def _launches(candidate: Candidate, body: list[ast.stmt], scope: Scope) -> bool:
    starts: list[Scope] = []
    for statement in body:
        for node in ast.walk(statement):
            if isinstance(node, ast.Subscript) and candidate.module.kernel_of(node.value, scope) is not None:
                return True
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Subscript):
                return True
            if isinstance(node, ast.Name | ast.Attribute):
                starts += _callees(candidate, node, scope)
    return not candidate.once(("launching",), lambda: _launching(candidate)).isdisjoint(starts)


def _launching(candidate: Candidate) -> set[Scope]:
    """Return the scopes whose code can lead to a launch."""
    launching = {
        scope
        for node, scope in candidate.module.each(ast.Subscript)
        if candidate.module.kernel_of(node.value, scope) is not None
    }
    return candidate.reach.leading_to(launching)


def _callees(candidate: Candidate, node: ast.Name | ast.Attribute, scope: Scope) -> list[Scope]:
    own = own_definition(node, scope)
    if own is not None:
        found = candidate.module.scopes.get(own)
        return [found] if found is not None and found.kind == "host" else []
    if isinstance(node, ast.Attribute):
        return candidate.reach.methods(node.attr)
    return []
