"""The kind that a call gives: of torch's functions, builtins, methods, and the candidate's own functions."""

from __future__ import annotations

import ast
from typing import NamedTuple

from eval.rules.allowed import PLAIN_RESULTS, PLAIN_TENSOR_ATTRIBUTES
from eval.rules.kinds import Env, Fixed, Kind, Many, element, fixed
from eval.rules.scopes import Scope, is_builtin, own_definition
from eval.rules.values import Values, enclosing, is_receiver

_ARITHMETIC = frozenset({"sum", "abs", "pow", "divmod", "max", "min", "round", "sorted"})
_SEQUENCES = frozenset({"tuple", "list", "reversed", "iter", "set"})
_LISTS_OF_TENSORS = frozenset({
    "unbind", "split", "chunk", "tensor_split", "split_with_sizes", "hsplit", "vsplit", "dsplit",
    "broadcast_tensors",
})  # fmt: skip
_SUBMODULES = frozenset({"children", "modules", "get_submodule", "named_children", "named_modules"})
_MODULE_TO_MODULE = _SUBMODULES | {
    "to",
    "eval",
    "train",
    "cuda",
    "half",
    "float",
    "requires_grad_",
    "__getitem__",
}
_WEIGHTS = frozenset({"Parameter", "Buffer"})
_HOLDERS = frozenset({"ParameterList", "ParameterDict"})


class Call(NamedTuple):
    """A call whose parts have been looked at."""

    node: ast.Call
    scope: Scope
    path: str | None
    """Imported path of the function, if it has one."""
    held: Kind
    """Kind of what the method belongs to, or of the function itself where it is no method."""
    arguments: list[Kind]
    named: dict[str, Kind]
    env: Env


def result_of(values: Values, call: Call) -> Kind:
    """Return the kind of a call's result, noting one that computes."""
    if call.path is not None:
        return _library(call.path)
    function = call.node.func
    if isinstance(function, ast.Name):
        return _named(values, call, function)
    if isinstance(function, ast.Attribute):
        return _method(values, call, function)
    return _module_call(values, call) if call.held == "module" else "unknown"


def _library(path: str) -> Kind:
    root, _, rest = path.partition(".")
    if root != "torch":
        return "plain" if root in {"math", "triton"} else "unknown"
    if path in PLAIN_RESULTS or rest.startswith(("cuda.", "version.")):
        return "plain"
    owner, _, last = rest.rpartition(".")
    if owner.startswith("nn") and last[:1].isupper() and last not in _WEIGHTS:
        return Many("tensor") if last in _HOLDERS else "module"
    return Many("tensor") if last in _LISTS_OF_TENSORS else "tensor"


def _named(values: Values, call: Call, function: ast.Name) -> Kind:
    if is_builtin(function.id, call.scope):
        return _builtin(values, call, function.id)
    own = own_definition(function, call.scope)
    scope = values.candidate.module.scopes.get(own) if own is not None else None
    if isinstance(own, ast.ClassDef):
        values.called(values.member(own, "__init__"), ["unknown", *call.arguments], call.named)
        return "unknown"
    if scope is not None:
        return values.called(scope, call.arguments, call.named)
    held = values.name(function.id, call.scope, call.env)
    return _module_call(values, call) if held == "module" else "unknown"


def _builtin(values: Values, call: Call, name: str) -> Kind:
    first = call.arguments[0] if call.arguments else "plain"
    if name in _ARITHMETIC:
        return _arithmetic(values, call, name, first)
    if name == "enumerate":
        return Many(Fixed(("plain", element(first))))
    if name == "zip":
        return Many(fixed([element(kind) for kind in call.arguments]))
    if name in _SEQUENCES:
        return first if isinstance(first, Fixed | Many) else Many(element(first))
    if name == "next":
        return element(first)
    return "unknown" if name in {"map", "filter", "super"} else "plain"


def _arithmetic(values: Values, call: Call, name: str, first: Kind) -> Kind:
    inside = [element(first)] if len(call.arguments) == 1 else call.arguments
    if "tensor" in inside and "key" not in call.named:
        values.note(call.node, f"`{name}`")
        return "tensor"
    return element(first) if name in {"max", "min", "sum"} else first


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
    return (
        _container_method(call.held, name)
        if isinstance(call.held, Many | Fixed)
        else _value_method(call.held, name)
    )


def _value_method(held: Kind, name: str) -> Kind:
    if name in _LISTS_OF_TENSORS and held != "plain":
        return Many("tensor")
    if name in PLAIN_TENSOR_ATTRIBUTES or held == "plain":
        return "plain"
    return "tensor" if held == "tensor" else "unknown"


def _module_method(values: Values, call: Call, name: str) -> Kind:
    if name in {"forward", "__call__"}:
        return _module_call(values, call)
    if name in _SUBMODULES:
        return Many("module")
    return "module" if name in _MODULE_TO_MODULE else "tensor"


def _container_method(held: Many | Fixed, name: str) -> Kind:
    if name in {"pop", "get"}:
        return element(held)
    if name == "items":
        return Many(Fixed(("plain", element(held))))
    return Many(element(held)) if name in {"values", "copy"} else "plain"


def _own_method(values: Values, call: Call, name: str) -> Kind:
    if name in {"register_buffer", "register_parameter"} and len(call.arguments) > 1:
        key = call.node.args[0]
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            values.learn_attribute(key.value, call.arguments[1])
        return "plain"
    if name in _SUBMODULES:
        return Many("module")
    for place in enclosing(call.scope):
        method = values.member(place.node, name) if isinstance(place.node, ast.ClassDef) else None
        if method is not None:
            bound: list[Kind] = ["unknown"] if method.receiver is not None else []
            return values.called(method, [*bound, *call.arguments], call.named)
    return _held_method(values, call, name)


def _held_method(values: Values, call: Call, name: str) -> Kind:
    if element(values.attributes.get(name, "unknown")) == "module":
        return _module_call(values, call)
    own = values.candidate.instance_of(values.candidate.module.self_values.get(name, []))
    method = (values.member(own, "forward") or values.member(own, "__call__")) if own is not None else None
    return values.called(method, ["unknown", *call.arguments], call.named)


def _module_call(values: Values, call: Call) -> Kind:
    values.note(call.node, "a module of torch.nn")
    return "tensor"
