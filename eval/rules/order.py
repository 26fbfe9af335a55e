"""Rule `order`: imports, then @triton.jit kernels, then wrappers, then ModelNew, and nothing else between.

A docstring or a comment may stand anywhere. Constants and helper classes among the wrappers are a warning.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import chain

from eval.records import Violation
from eval.rules.candidate import Candidate
from eval.rules.module import SPEC_FUNCTIONS
from eval.rules.reach import MODEL
from eval.rules.report import violation

RULE = "order"
_ADVICE = "the order is: imports, @triton.jit kernels, wrappers, ModelNew"


def check(candidate: Candidate) -> Iterator[Violation]:
    """Yield a violation for each statement at the top level that stands in the wrong place."""
    body = [node for node in candidate.module.tree.body if not _elsewhere(candidate, node)]
    kernels = [position for position, node in enumerate(body) if _is_kernel(candidate, node)]
    models = [position for position, node in enumerate(body) if _is_model(node)]
    imports = next((place for place, node in enumerate(body) if not _is_import(node)), len(body))
    first, last = (kernels[0], kernels[-1]) if kernels else (imports, imports - 1)
    end = models[-1] if models else len(body)
    return chain(
        _inside(candidate),
        _before_kernels(body[:first]),
        _among_kernels(candidate, body[first : last + 1]),
        _among_wrappers(body[last + 1 : end]),
        _after_model(body[end + 1 :]),
    )


def _inside(candidate: Candidate) -> Iterator[Violation]:
    for name, scope in candidate.module.kernels.items():
        if scope.parent is not None and scope.parent.kind != "module":
            yield violation(
                RULE, scope.node, f"kernel `{name}` is defined inside something: move it to the top level"
            )


def _elsewhere(candidate: Candidate, node: ast.stmt) -> bool:
    """Tell whether another rule speaks of this statement, or nothing needs to be said."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant | ast.Call)
    named = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name in SPEC_FUNCTIONS
    return named or isinstance(node, ast.Pass | ast.Assert) or node in candidate.module.guards


def _is_kernel(candidate: Candidate, node: ast.stmt) -> bool:
    scope = candidate.module.scopes.get(node)
    return scope is not None and scope.kind == "kernel"


def _is_model(node: ast.stmt) -> bool:
    return isinstance(node, ast.ClassDef) and node.name == MODEL


def _is_import(node: ast.stmt) -> bool:
    return isinstance(node, ast.Import | ast.ImportFrom)


def _before_kernels(nodes: list[ast.stmt]) -> Iterator[Violation]:
    ended = False
    for node in nodes:
        if not _is_import(node):
            ended = True
            yield violation(
                RULE, node, f"{_describe(node)} stands before the kernels: move it below them; {_ADVICE}"
            )
        elif ended:
            yield violation(RULE, node, f"this import does not stand at the top; {_ADVICE}")


def _among_kernels(candidate: Candidate, nodes: list[ast.stmt]) -> Iterator[Violation]:
    wrapper: str | None = None
    for node in nodes:
        if _is_kernel(candidate, node):
            if wrapper is not None:
                name = getattr(node, "name", "")
                yield violation(
                    RULE, node, f"kernel `{name}` stands below {wrapper}: move it above; {_ADVICE}"
                )
        elif isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            wrapper = wrapper or _describe(node)
        else:
            yield violation(
                RULE, node, f"{_describe(node)} stands between kernels: move it below them; {_ADVICE}"
            )


def _among_wrappers(nodes: list[ast.stmt]) -> Iterator[Violation]:
    for node in nodes:
        if isinstance(node, ast.ClassDef | ast.Assign | ast.AnnAssign):
            message = f"{_describe(node)} stands among the wrappers: better inside the function that needs it"
            yield violation(RULE, node, message, "warning")
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield violation(RULE, node, f"{_describe(node)} does not belong at the top level; {_ADVICE}")


def _after_model(nodes: list[ast.stmt]) -> Iterator[Violation]:
    for node in nodes:
        yield violation(RULE, node, f"{_describe(node)} stands after {MODEL}: move it above; {_ADVICE}")


def _describe(node: ast.stmt) -> str:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return f"function `{node.name}`"
    if isinstance(node, ast.ClassDef):
        return f"class `{node.name}`"
    if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
        return "an assignment"
    return "an import" if _is_import(node) else f"a statement ({node.__class__.__name__})"
