"""Rules against what is no part of an answer: tests, prints, the main guard and the problem's inputs."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from eval.records import Violation
from eval.rules.candidate import Candidate
from eval.rules.module import SPEC_FUNCTIONS
from eval.rules.report import violation
from eval.rules.scopes import builtin_called, path_of

_TEST_PREFIXES = ("test_", "benchmark", "bench_")
_TEST_NAMES = frozenset({"test", "main", "run_tests", "check_correctness", "verify", "bench"})
_TALKING = frozenset({"print", "input", "breakpoint"})
_HOST_MODULE = "keep only imports, kernels, wrappers and ModelNew"


def check(candidate: Candidate) -> Iterator[Violation]:
    """Yield `main_guard`, `get_inputs`, `get_init_inputs` and `testing_code`."""
    for guard in candidate.module.guards:
        yield violation("main_guard", guard, 'remove `if __name__ == "__main__"` and all that stands in it')
    for node in candidate.module.tree.body:
        yield from _statement(candidate, node)
    for call, scope in candidate.module.each(ast.Call):
        name = builtin_called(call, scope)
        if name in _TALKING and scope.kind != "kernel":
            yield violation("testing_code", call, f"remove the call of `{name}`")


def _statement(candidate: Candidate, node: ast.stmt) -> Iterator[Violation]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        if node.name in SPEC_FUNCTIONS:
            yield violation(node.name, node, f"remove `{node.name}`: the problem makes its own inputs")
        elif _is_test(node.name) and not _is_used(candidate, node):
            yield violation("testing_code", node, f"remove `{node.name}`: no testing code")
    elif isinstance(node, ast.Assert):
        yield violation("testing_code", node, f"remove this assertion: {_HOST_MODULE}")
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        if path_of(node.value.func, candidate.module.scope) != "triton.set_allocator":
            yield violation("testing_code", node, f"remove this call at the top level: {_HOST_MODULE}")
    elif isinstance(node, ast.Assign | ast.AnnAssign) and _is_spec(node):
        yield violation(_spec_name(node), node, "remove it: the problem makes its own inputs")


def _is_used(candidate: Candidate, node: ast.AST) -> bool:
    """Tell whether `forward` comes here, whatever the function is called."""
    forward, scope = candidate.reach.forward(), candidate.module.scopes.get(node)
    return forward is not None and scope in candidate.reach.closure([forward])


def _is_test(name: str) -> bool:
    return name in _TEST_NAMES or name.startswith(_TEST_PREFIXES)


def _is_spec(node: ast.Assign | ast.AnnAssign) -> bool:
    return _spec_name(node) in SPEC_FUNCTIONS


def _spec_name(node: ast.Assign | ast.AnnAssign) -> str:
    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
    return target.id if isinstance(target, ast.Name) else ""
