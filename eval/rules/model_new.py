"""Rule `model_new`: one class ModelNew, an nn.Module with `forward`, defined plainly and never rebound."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from eval.records import Violation
from eval.rules.candidate import Candidate
from eval.rules.reach import MODEL
from eval.rules.report import violation
from eval.rules.scopes import Definition, Scope, own_definition, path_of

RULE = "model_new"
_MODULE = frozenset({"torch.nn.Module", "torch.nn.modules.Module", "torch.nn.modules.module.Module"})
_DECORATORS = frozenset(
    {"torch.no_grad", "torch.inference_mode", "torch.enable_grad", "torch.compiler.disable"}
)
_CALL_METHODS = frozenset({"__call__", "_call_impl", "_wrapped_call_impl"})


def check(candidate: Candidate) -> Iterator[Violation]:
    """Yield what is wrong with ModelNew."""
    scope = candidate.module.scope
    bindings = scope.names.get(MODEL, [])
    nodes = [
        node for node in candidate.module.tree.body if isinstance(node, ast.ClassDef) and node.name == MODEL
    ]
    if not nodes:
        yield violation(RULE, candidate.module.tree, f"define `class {MODEL}(nn.Module)` at the top level")
        return
    if len(bindings) > 1:
        again = [binding for binding in bindings if isinstance(binding, ast.AST)]
        yield violation(
            RULE, again[-1] if again else nodes[-1], f"`{MODEL}` is bound more than once: define it once"
        )
    yield from _redefined(candidate)
    if nodes[-1] not in candidate.module.scopes:
        yield violation(RULE, nodes[-1], f"`{MODEL}` stands behind a statement that ends the file")
        return
    yield from _class(candidate, nodes[-1])


def _class(candidate: Candidate, node: ast.ClassDef) -> Iterator[Violation]:
    if not _is_module(node, candidate.module.scope):
        yield violation(
            RULE, node, f"`{MODEL}` must be a class of nn.Module: write `class {MODEL}(nn.Module)`"
        )
    if node.decorator_list or node.keywords:
        yield violation(RULE, node, f"`{MODEL}` takes no decorators and no metaclass")
    forward = candidate.reach.forward()
    if forward is None:
        yield violation(RULE, node, f"`{MODEL}` needs a method `forward`, written with def")
    else:
        yield from _forward(forward)
    scope = candidate.module.scopes[node]
    for name in sorted(_CALL_METHODS & set(scope.names)):
        yield violation(RULE, node, f"`{MODEL}` must not define `{name}`: nn.Module calls `forward`")
    assigned = [home for _, home in candidate.module.self_values.get("forward", ()) if home.parent is scope]
    if len(scope.names.get("forward", [])) > 1 or assigned:
        yield violation(RULE, node, "`forward` is bound more than once: define it once, in the class")


def _forward(forward: Scope) -> Iterator[Violation]:
    node = forward.node
    if isinstance(node, ast.AsyncFunctionDef) or not isinstance(node, ast.FunctionDef):
        yield violation(RULE, node, "`forward` must be a plain function")
        return
    for decorator in node.decorator_list:
        target = decorator.func if isinstance(decorator, ast.Call) else decorator
        if forward.parent is not None and path_of(target, forward.parent) not in _DECORATORS:
            yield violation(
                RULE, decorator, "remove this decorator: `forward` takes only torch.no_grad and its like"
            )


def _is_module(node: ast.ClassDef, scope: Scope, steps: int = 8) -> bool:
    for base in node.bases:
        if path_of(base, scope) in _MODULE:
            return True
        own = own_definition(base, scope)
        if steps and isinstance(own, ast.ClassDef) and own is not node and _is_module(own, scope, steps - 1):
            return True
    return False


def _redefined(candidate: Candidate) -> Iterator[Violation]:
    """Yield the top-level functions and classes whose name stands for something else before or after."""
    for name, bindings in candidate.module.scope.names.items():
        definitions = [binding for binding in bindings if isinstance(binding, Definition)]
        if definitions and name != MODEL and any(binding is not bindings[0] for binding in bindings):
            yield violation(
                "redefined", definitions[-1], f"`{name}` is bound more than once: give each its own name"
            )
    for chain in candidate.module.chains:
        own = (
            own_definition(chain.base, chain.scope) if chain.context == "store" and chain.attributes else None
        )
        if isinstance(own, ast.ClassDef) and own.name == MODEL:
            yield violation(
                RULE, chain.node, f"`{MODEL}` is changed after its definition: write it in the class"
            )
