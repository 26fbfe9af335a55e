"""Rule `launch_hooks`: what Triton calls around a launch may choose configs, and do nothing else."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from eval.records import Violation
from eval.rules.candidate import Candidate
from eval.rules.library import allowed_leaf
from eval.rules.report import violation
from eval.rules.scopes import FunctionNode, Scope, own_definition, path_of

RULE = "launch_hooks"
_KEYWORDS: dict[str, frozenset[str]] = {
    "triton.autotune": frozenset({
        "configs", "key", "reset_to_zero", "restore_value", "warmup", "rep", "use_cuda_graph",
        "cache_results", "prune_configs_by",
    }),
    "triton.Config": frozenset({
        "kwargs", "num_warps", "num_stages", "num_ctas", "maxnreg", "num_buffers_warp_spec",
        "num_consumer_groups", "reg_dec_producer", "reg_inc_consumer",
    }),
    "triton.heuristics": frozenset({"values"}),
    "triton.jit": frozenset({
        "do_not_specialize", "do_not_specialize_on_alignment", "debug", "noinline", "version",
    }),
}  # fmt: skip
_POSITIONAL = {"triton.autotune": 2, "triton.Config": 5, "triton.heuristics": 1, "triton.jit": 1}
_PRUNERS = frozenset({"early_config_prune", "perf_model"})
_IN_PLACE = frozenset({"copy_", "fill_", "zero_", "to", "contiguous", "clone", "cpu", "run"})
_DECORATORS = frozenset({"triton.jit", "triton.autotune", "triton.heuristics"})
_STEPS = 4


def check(candidate: Candidate) -> Iterator[Violation]:
    """Yield hooks, hidden options, and callbacks that do more than choose."""
    for node, scope in candidate.module.each(ast.Call):
        path = path_of(node.func, scope)
        if path in _KEYWORDS:
            yield from _options(node, path)
            yield from _callbacks(candidate, node, path, scope)
    for scope in candidate.module.kernels.values():
        for decorator in getattr(scope.node, "decorator_list", ()):
            target = decorator.func if isinstance(decorator, ast.Call) else decorator
            if path_of(target, scope.parent or scope) not in _DECORATORS:
                yield violation(
                    RULE, decorator, "a kernel takes no decorators but triton's jit, autotune, heuristics"
                )


def _options(node: ast.Call, path: str) -> Iterator[Violation]:
    for keyword in node.keywords:
        if keyword.arg is None:
            yield violation(RULE, keyword.value, f"`**` hides options of {path}: write them out")
        elif keyword.arg not in _KEYWORDS[path]:
            yield violation(
                RULE, keyword.value, f"`{keyword.arg}=` of {path} runs code around launches: remove it"
            )
    for extra in node.args[_POSITIONAL[path] :]:
        yield violation(RULE, extra, f"an extra argument of {path}: name the option")
    for argument in node.args:
        if isinstance(argument, ast.Starred):
            yield violation(RULE, argument, f"`*` hides options of {path}: write them out")


def _callbacks(candidate: Candidate, node: ast.Call, path: str, scope: Scope) -> Iterator[Violation]:
    named = {keyword.arg: keyword.value for keyword in node.keywords}
    if path == "triton.heuristics":
        table = named.get("values", node.args[0] if node.args else None)
        yield from _table(candidate, table, None, scope)
    elif path == "triton.autotune" and "prune_configs_by" in named:
        yield from _table(candidate, named["prune_configs_by"], _PRUNERS, scope)


def _table(
    candidate: Candidate, table: ast.expr | None, names: frozenset[str] | None, scope: Scope
) -> Iterator[Violation]:
    if isinstance(table, ast.Name):
        values = candidate.values_of(table, scope)
        table = values[0] if len(values) == 1 and isinstance(values[0], ast.expr) else table
    if not isinstance(table, ast.Dict):
        if table is not None:
            yield violation(RULE, table, "write the dictionary of callbacks out")
        return
    for key, value in zip(table.keys, table.values, strict=True):
        name = key.value if isinstance(key, ast.Constant) else None
        if names is None or name in names:
            function = _function(value, scope)
            if function is None:
                yield violation(RULE, value, "write this callback as a lambda or a function of this file")
            elif not _is_pure(candidate, function, _STEPS):
                yield violation(RULE, value, "this callback does more than compute a value from sizes")


def _function(value: ast.expr, scope: Scope) -> FunctionNode | None:
    if isinstance(value, ast.Lambda):
        return value
    own = own_definition(value, scope)
    return own if isinstance(own, ast.FunctionDef) else None


def _is_pure(candidate: Candidate, function: FunctionNode, steps: int) -> bool:
    scope = candidate.module.scopes.get(function)
    if scope is None or steps == 0:
        return False
    body = [function.body] if isinstance(function, ast.Lambda) else function.body
    return candidate.once(
        ("pure", function, steps),
        lambda: all(_harmless(candidate, node, scope, steps) for part in body for node in ast.walk(part)),
    )


def _harmless(candidate: Candidate, node: ast.AST, scope: Scope, steps: int) -> bool:
    if isinstance(node, ast.Subscript | ast.Attribute):
        path = path_of(node, scope) if isinstance(node, ast.Attribute) else None
        known = path is None or allowed_leaf(path) is not None or not path.startswith(("torch", "triton"))
        return isinstance(node.ctx, ast.Load) and known
    if isinstance(node, ast.Global | ast.Nonlocal | ast.Import | ast.ImportFrom | ast.With):
        return False
    if not isinstance(node, ast.Call):
        return True
    if isinstance(node.func, ast.Attribute):
        return node.func.attr not in _IN_PLACE and not node.func.attr.endswith("_")
    own = own_definition(node.func, scope)
    if isinstance(own, ast.FunctionDef):
        return _is_pure(candidate, own, steps - 1)
    return isinstance(node.func, ast.Name)
