"""What the text says about kernels and their configs; computed ones are for the dry launch."""

from __future__ import annotations

import ast

from eval.rules.candidate import Candidate
from eval.rules.kernel import launched
from eval.rules.module import SPEC_FUNCTIONS
from eval.rules.report import Config, Kernel
from eval.rules.scopes import Scope, path_of

AUTOTUNE = "triton.autotune"
_CONFIG = "triton.Config"


def kernel_facts(candidate: Candidate) -> tuple[Kernel, ...]:
    """Return every kernel of the candidate in the order of the file."""
    reached = launched(candidate)
    facts = [_kernel(candidate, name, scope, reached) for name, scope in candidate.module.kernels.items()]
    return tuple(sorted(facts, key=lambda fact: fact.line))


def wrapper_names(candidate: Candidate) -> tuple[str, ...]:
    """Return the top-level functions that are not kernels, in the order of the file."""
    functions = [node for node in candidate.module.tree.body if isinstance(node, ast.FunctionDef)]
    scopes = candidate.module.scopes
    return tuple(
        node.name
        for node in functions
        if node.name not in SPEC_FUNCTIONS and node in scopes and scopes[node].kind == "host"
    )


def _kernel(candidate: Candidate, name: str, scope: Scope, reached: frozenset[str]) -> Kernel:
    node = scope.node
    outside = scope.parent or scope
    arguments = node.args.args if isinstance(node, ast.FunctionDef) else []
    decorators = node.decorator_list if isinstance(node, ast.FunctionDef) else []
    tuned = next(
        (
            item
            for item in decorators
            if isinstance(item, ast.Call) and path_of(item.func, outside) == AUTOTUNE
        ),
        None,
    )
    return Kernel(
        name=name,
        line=getattr(node, "lineno", 1),
        parameters=tuple(argument.arg for argument in arguments),
        autotuned=tuned is not None,
        configs=_configs(candidate, tuned, outside) if tuned is not None else None,
        launched=name in reached or scope.name in reached,
    )


def _configs(candidate: Candidate, tuned: ast.Call, scope: Scope) -> tuple[Config, ...] | None:
    named = next((keyword.value for keyword in tuned.keywords if keyword.arg == "configs"), None)
    value = named if named is not None else (tuned.args[0] if tuned.args else None)
    if isinstance(value, ast.Name):
        bound = candidate.values_of(value, scope)
        value = bound[0] if len(bound) == 1 and isinstance(bound[0], ast.expr) else None
    if not isinstance(value, ast.List | ast.Tuple):
        return None
    configs = [_config(item, scope) for item in value.elts]
    whole = [config for config in configs if config is not None]
    return tuple(whole) if len(whole) == len(configs) else None


def _config(item: ast.expr, scope: Scope) -> Config | None:
    if not isinstance(item, ast.Call) or path_of(item.func, scope) != _CONFIG:
        return None
    names = ("kwargs", "num_warps", "num_stages")
    given = dict(zip(names, item.args, strict=False)) | {
        key.arg: key.value for key in item.keywords if key.arg
    }
    try:
        values = {name: ast.literal_eval(given[name]) for name in names if name in given}
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
    kwargs, warps, stages = values.get("kwargs", {}), values.get("num_warps"), values.get("num_stages")
    if not isinstance(kwargs, dict) or not all(isinstance(key, str) for key in kwargs):
        return None
    if not all(number is None or type(number) is int for number in (warps, stages)):
        return None
    return Config(kwargs=kwargs, num_warps=warps, num_stages=stages, line=item.lineno)
