"""Rules `kernel` and `launch`: there is a @triton.jit kernel, and `forward` reaches a launch of one."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from eval.records import Violation
from eval.rules.candidate import Candidate
from eval.rules.reach import MODEL
from eval.rules.report import violation
from eval.rules.scopes import Scope


def check(candidate: Candidate) -> Iterator[Violation]:
    """Yield a violation where there is no kernel, or none that `forward` launches."""
    if not candidate.module.kernels:
        yield violation(
            "kernel", candidate.module.tree, "write at least one kernel decorated with @triton.jit"
        )
        return
    forward = candidate.reach.forward()
    if forward is not None and not launched(candidate):
        message = (
            f"`forward` of {MODEL} reaches no launch `kernel[grid](...)`: launch it there or in a wrapper"
        )
        yield violation("launch", forward.node, message)


def launched(candidate: Candidate) -> frozenset[str]:
    """Return the names of the kernels that `forward` may launch, directly or through what it calls."""
    return candidate.once(("launched",), lambda: _launched(candidate))


def _launched(candidate: Candidate) -> frozenset[str]:
    forward = candidate.reach.forward()
    if forward is None:
        return frozenset()
    reached = {scope for scope in candidate.reach.closure([forward]) if scope.kind == "host"}
    direct, indirect = _launches(candidate, reached)
    if indirect:
        direct |= {name for name in candidate.module.kernels if any(name in scope.used for scope in reached)}
        direct |= _held(candidate, reached)
    return frozenset(direct)


def _launches(candidate: Candidate, reached: set[Scope]) -> tuple[set[str], bool]:
    direct: set[str] = set()
    indirect = False
    for node, scope in candidate.module.each(ast.Subscript):
        if scope in reached and isinstance(node.ctx, ast.Load):
            kernel = candidate.module.kernel_of(node.value, scope)
            if kernel is not None:
                direct.add(kernel.name)
    for call, scope in candidate.module.each(ast.Call):
        indirect = indirect or (scope in reached and isinstance(call.func, ast.Subscript))
        if scope in reached and isinstance(call.func, ast.Attribute) and call.func.attr == "run":
            kernel = candidate.module.kernel_of(call.func.value, scope)
            direct |= {kernel.name} if kernel is not None else set()
    return direct, indirect


def _held(candidate: Candidate, reached: set[Scope]) -> set[str]:
    """Return the kernels that attributes and module-level names hold which the reached code uses."""
    used = {name for scope in reached for name in scope.used}
    values = [entry for name in used for entry in candidate.module.self_values.get(name, ())]
    values += [
        (binding, candidate.module.scope)
        for name in used
        for binding in candidate.module.scope.names.get(name, ())
        if isinstance(binding, ast.expr)
    ]
    found: set[str] = set()
    for value, scope in values:
        for node in ast.walk(value) if value is not None else ():
            kernel = candidate.module.kernel_of(node, scope) if isinstance(node, ast.Name) else None
            found |= {kernel.name} if kernel is not None else set()
    return found
