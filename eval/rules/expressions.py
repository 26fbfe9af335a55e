"""The kind of an expression, with notes on every operator that works on a tensor within it."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from eval.rules.allowed import PLAIN_RESULTS, PLAIN_TENSOR_ATTRIBUTES
from eval.rules.calls import result_of
from eval.rules.kinds import Env, Fixed, Kind, at, element, fixed, join, joined, many
from eval.rules.results import Call
from eval.rules.scopes import Scope, getattr_parts, path_of
from eval.rules.values import Values, is_receiver

_WEIGHTS = ("weight", "bias", "running_", "in_proj_")
_SAFE_COMPARISONS = (ast.Is, ast.IsNot, ast.In, ast.NotIn)
_NAMES_A_STEP = 16
_Handler = Callable[[Values, Any, Scope, Env], Kind]


def kind_of(values: Values, node: ast.expr, scope: Scope, env: Env) -> Kind:
    """Return what kind of value an expression gives."""
    values.spend()
    handler = _HANDLERS.get(node.__class__)
    if handler is not None:
        return handler(values, node, scope, env)
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr):
            kind_of(values, child, scope, env)
    return "unknown"


def _plain(values: Values, node: ast.expr, scope: Scope, env: Env) -> Kind:
    del values, node, scope, env
    return "plain"


def _lambda(values: Values, node: ast.Lambda, scope: Scope, env: Env) -> Kind:
    del values, node, scope, env
    return "unknown"


def _text(values: Values, node: ast.JoinedStr, scope: Scope, env: Env) -> Kind:
    for part in node.values:
        if isinstance(part, ast.FormattedValue):
            kind_of(values, part.value, scope, env)
    return "plain"


def _name(values: Values, node: ast.Name, scope: Scope, env: Env) -> Kind:
    return values.name(node.id, scope, env)


def _sequence(values: Values, node: ast.Tuple | ast.List | ast.Set, scope: Scope, env: Env) -> Kind:
    parts = [kind_of(values, part, scope, env) for part in node.elts]
    if isinstance(node, ast.Set) or any(isinstance(part, ast.Starred) for part in node.elts):
        return many(joined(parts))
    return fixed(parts)


def _mapping(values: Values, node: ast.Dict, scope: Scope, env: Env) -> Kind:
    parts = [kind_of(values, part, scope, env) for part in (*node.keys, *node.values) if part is not None]
    return many(joined(parts))


def _attribute(values: Values, node: ast.expr, scope: Scope, env: Env) -> Kind:
    parts = (node.value, node.attr) if isinstance(node, ast.Attribute) else getattr_parts(node)
    path = path_of(node, scope)
    if parts is None or path is not None:
        return "plain" if path in PLAIN_RESULTS else "unknown"
    value, name = parts
    if is_receiver(value, scope) or (isinstance(value, ast.Name) and value.id == "ctx"):
        return many("tensor") if name == "saved_tensors" else values.attributes.get(name, "unknown")
    held = kind_of(values, value, scope, env)
    if name in PLAIN_TENSOR_ATTRIBUTES or held in {"plain", "data"}:
        return "plain"
    if held == "module":
        return "module" if name == "forward" else "tensor" if name.startswith(_WEIGHTS) else "unknown"
    return "tensor" if held == "tensor" else "unknown"


def _subscript(values: Values, node: ast.Subscript, scope: Scope, env: Env) -> Kind:
    held = kind_of(values, node.value, scope, env)
    kind_of(values, node.slice, scope, env)
    if isinstance(node.slice, ast.Slice):
        return many(element(held)) if isinstance(held, Fixed) else held
    index = _integer(node.slice)
    return at(held, index) if index is not None else element(held)


def _integer(node: ast.expr) -> int | None:
    sign = -1 if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) else 1
    inner = node.operand if isinstance(node, ast.UnaryOp) else node
    return sign * inner.value if isinstance(inner, ast.Constant) and isinstance(inner.value, int) else None


def _binary(values: Values, node: ast.BinOp, scope: Scope, env: Env) -> Kind:
    left = kind_of(values, node.left, scope, env)
    return values.combined(node, node.op, left, kind_of(values, node.right, scope, env))


def _unary(values: Values, node: ast.UnaryOp, scope: Scope, env: Env) -> Kind:
    operand = kind_of(values, node.operand, scope, env)
    if isinstance(node.op, ast.Not):
        return "plain"
    if operand == "tensor":
        values.note(node, "this operator computes on a tensor")
    return operand


def _compare(values: Values, node: ast.Compare, scope: Scope, env: Env) -> Kind:
    kinds = [kind_of(values, side, scope, env) for side in (node.left, *node.comparators)]
    if "tensor" not in kinds or all(isinstance(operator, _SAFE_COMPARISONS) for operator in node.ops):
        return "plain"
    values.note(node, "a comparison of tensors computes")
    return "tensor"


def _either(values: Values, node: ast.BoolOp, scope: Scope, env: Env) -> Kind:
    return joined([kind_of(values, value, scope, env) for value in node.values])


def _choice(values: Values, node: ast.IfExp, scope: Scope, env: Env) -> Kind:
    kind_of(values, node.test, scope, env)
    return join(kind_of(values, node.body, scope, env), kind_of(values, node.orelse, scope, env))


def _walrus(values: Values, node: ast.NamedExpr, scope: Scope, env: Env) -> Kind:
    kind = kind_of(values, node.value, scope, env)
    values.store(node.target, kind, env)
    return kind


def _starred(values: Values, node: ast.Starred, scope: Scope, env: Env) -> Kind:
    return element(kind_of(values, node.value, scope, env))


def _comprehension(
    values: Values, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp, scope: Scope, env: Env
) -> Kind:
    inner = copied(values, env)
    for generator in node.generators:
        values.store(generator.target, element(kind_of(values, generator.iter, scope, inner)), inner)
        for test in generator.ifs:
            kind_of(values, test, scope, inner)
    parts = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
    return many(joined([kind_of(values, part, scope, inner) for part in parts]))


def copied(values: Values, env: Env) -> Env:
    """Return a copy of what is known of variables, for a branch; large ones count as work."""
    values.spend(len(env) // _NAMES_A_STEP)
    return dict(env)


def _call(values: Values, node: ast.Call, scope: Scope, env: Env) -> Kind:
    if getattr_parts(node) is not None:
        return _attribute(values, node, scope, env)
    arguments = [kind_of(values, argument, scope, env) for argument in node.args]
    named = {keyword.arg: kind_of(values, keyword.value, scope, env) for keyword in node.keywords}
    path = path_of(node.func, scope)
    function = node.func
    held: Kind = "unknown"
    if path is None and not isinstance(function, ast.Name):
        on_object = isinstance(function, ast.Attribute)
        held = kind_of(values, function.value if on_object else function, scope, env)  # type: ignore[attr-defined]
    known = {name: kind for name, kind in named.items() if name is not None}
    return result_of(values, Call(node, scope, path, held, arguments, known, env))


_HANDLERS: dict[type[ast.expr], _Handler] = {
    ast.Constant: _plain,
    ast.Lambda: _lambda,
    ast.JoinedStr: _text,
    ast.Name: _name,
    ast.Tuple: _sequence,
    ast.List: _sequence,
    ast.Set: _sequence,
    ast.Dict: _mapping,
    ast.Attribute: _attribute,
    ast.Subscript: _subscript,
    ast.BinOp: _binary,
    ast.UnaryOp: _unary,
    ast.Compare: _compare,
    ast.BoolOp: _either,
    ast.IfExp: _choice,
    ast.NamedExpr: _walrus,
    ast.Starred: _starred,
    ast.ListComp: _comprehension,
    ast.SetComp: _comprehension,
    ast.GeneratorExp: _comprehension,
    ast.DictComp: _comprehension,
    ast.Call: _call,
}
