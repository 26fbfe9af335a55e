"""Where a call goes, to the candidate's functions, to torch's modules or beyond, and the kind it gives."""

from __future__ import annotations

import ast

from eval.rules.kinds import Fixed, Kind, Many, element, many
from eval.rules.results import Call, builtin_result, grown, library_result, value_result
from eval.rules.scopes import is_builtin, own_definition
from eval.rules.syntax import REGISTERING
from eval.rules.values import Values, enclosing, is_receiver

_GROWING = frozenset({"append", "add", "insert", "extend", "appendleft", "setdefault"})
_SUBMODULES = frozenset({"children", "modules", "get_submodule", "named_children", "named_modules"})
_MODULE_TO_MODULE = frozenset({"to", "eval", "train", "cuda", "half", "float", "requires_grad_"})


def result_of(values: Values, call: Call) -> Kind:
    """Return the kind of a call's result, noting one that computes."""
    if call.path is not None:
        return library_result(values, call, call.path)
    function = call.node.func
    if isinstance(function, ast.Name):
        return _named(values, call, function)
    if isinstance(function, ast.Attribute):
        return _method(values, call, function)
    return _module_call(values, call) if element(call.held) == "module" else "unknown"


def _named(values: Values, call: Call, function: ast.Name) -> Kind:
    if is_builtin(function.id, call.scope):
        return _builtin(values, call, function.id)
    own = own_definition(function, call.scope)
    if isinstance(own, ast.ClassDef):
        values.called(values.member(own, "__init__"), ["unknown", *call.arguments], call.named)
        return "unknown"
    scope = values.function(function, call.scope)
    if scope is not None:
        return values.called(scope, call.arguments, call.named)
    held = values.name(function.id, call.scope, call.env)
    return _module_call(values, call) if held == "module" else "unknown"


def _builtin(values: Values, call: Call, name: str) -> Kind:
    if name == "map" and call.arguments:
        items = [element(kind) for kind in call.arguments[1:]]
        return many(values.called(values.function(call.node.args[0], call.scope), items, {}))
    if name == "setattr":
        _learn(values, call, 1)
    return builtin_result(values, call, name)


def _method(values: Values, call: Call, function: ast.Attribute) -> Kind:
    name = function.attr
    owner = own_definition(function.value, call.scope)
    if isinstance(owner, ast.ClassDef):
        if name == "apply" and values.member(owner, name) is None:
            return values.called(values.member(owner, "forward"), ["unknown", *call.arguments], call.named)
        return values.called(values.member(owner, name), call.arguments, call.named)
    if is_receiver(function.value, call.scope):
        return _own_method(values, call, name)
    if call.held == "module":
        return _module_method(values, call, name)
    if name in _GROWING and call.arguments:
        _grow(values, call, function.value)
    return value_result(values, call, name)


def _module_method(values: Values, call: Call, name: str) -> Kind:
    if name in {"forward", "__call__"}:
        return _module_call(values, call)
    if name in _SUBMODULES:
        return many("module")
    return "module" if name in _MODULE_TO_MODULE else "unknown"


def _own_method(values: Values, call: Call, name: str) -> Kind:
    if name in REGISTERING:
        _learn(values, call, 0)
        return "plain"
    if name in _SUBMODULES:
        return many("module")
    for place in enclosing(call.scope):
        method = values.member(place.node, name) if isinstance(place.node, ast.ClassDef) else None
        if method is not None:
            bound: list[Kind] = ["unknown"] if method.receiver is not None else []
            return values.called(method, [*bound, *call.arguments], call.named)
    return _held_method(values, call, name)


def _held_method(values: Values, call: Call, name: str) -> Kind:
    if element(values.attributes.get(name, "unknown")) == "module":
        return _module_call(values, call)
    own = values.candidate.held_in(name)
    method = (values.member(own, "forward") or values.member(own, "__call__")) if own is not None else None
    return values.called(method, ["unknown", *call.arguments], call.named)


def _module_call(values: Values, call: Call) -> Kind:
    values.note(call.node, "a module of torch.nn computes")
    return "tensor"


def _learn(values: Values, call: Call, position: int) -> None:
    """Learn an attribute that a call sets: its name stands at a position, its value behind it."""
    if len(call.arguments) > position + 1:
        key = call.node.args[position]
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            values.learn_attribute(key.value, call.arguments[position + 1])


def _grow(values: Values, call: Call, container: ast.expr) -> None:
    if isinstance(container, ast.Name) and isinstance(call.held, Many | Fixed):
        call.env[container.id] = grown(call.held, call.arguments[-1])
    elif isinstance(container, ast.Attribute) and is_receiver(container.value, call.scope):
        values.learn_attribute(container.attr, many(element(call.arguments[-1])))
