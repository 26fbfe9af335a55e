"""The kinds that torch's functions, builtins and methods of values give, and notes on those that compute."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

from eval.rules.allowed import PLAIN_RESULTS, PLAIN_TENSOR_ATTRIBUTES
from eval.rules.kinds import Env, Fixed, Kind, Many, element, fixed, join, joined, leaf, many
from eval.rules.scopes import Scope, own_definition
from eval.rules.values import Values

_ARITHMETIC = frozenset({"sum", "abs", "pow", "divmod", "max", "min", "round", "sorted"})
_SEQUENCES = frozenset({"tuple", "list", "reversed", "iter", "set", "filter"})
_NUMBERS = frozenset({"int", "float", "complex", "bool"})
_LISTS_OF_TENSORS = frozenset({
    "unbind", "split", "chunk", "tensor_split", "split_with_sizes", "hsplit", "vsplit", "dsplit",
    "broadcast_tensors",
})  # fmt: skip
_READ = frozenset({"item", "tolist"})
_MADE_FROM_NUMBERS = {
    "tensor": 0,
    "Tensor": 0,
    "as_tensor": 0,
    "scalar_tensor": 0,
    "new_tensor": 0,
    "fill_": 0,
    "full": 1,
    "full_like": 1,
    "new_full": 1,
}
"""Functions and methods that make a tensor of given values, and which argument gives them."""
_VALUE_NAMES = ("data", "fill_value", "value", "s")
_WEIGHTS = frozenset({"Parameter", "Buffer"})
_HOLDERS = frozenset({"ParameterList", "ParameterDict"})
_OF_MODULES = frozenset({"Sequential", "ModuleList", "ModuleDict"})
_FOLDS = frozenset({"itertools.accumulate", "functools.reduce"})
_HARMLESS_ROOTS = frozenset({"math", "triton", "typing", "copy"})


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


def library_result(values: Values, call: Call, path: str) -> Kind:
    """Return what a function of an imported library gives."""
    root, _, rest = path.partition(".")
    if root != "torch":
        given = leaf(joined([*call.arguments, *call.named.values()]))
        if given == "tensor" and path in _FOLDS:
            values.note(call.node, f"`{path}` computes on tensors")
        read = given == "data" or (given == "tensor" and root == "math")
        return "data" if read else "plain" if root in _HARMLESS_ROOTS else "unknown"
    if path in PLAIN_RESULTS or rest.startswith(("cuda.", "version.")):
        return "plain"
    owner, _, last = rest.rpartition(".")
    note_numbers(values, call, last)
    if last == "linspace" and "tensor" in (*call.arguments, *call.named.values()):
        values.note(call.node, "`torch.linspace` between contents of tensors computes")
    if owner.startswith("nn") and last[:1].isupper() and last not in _WEIGHTS:
        if last in _OF_MODULES and _holds_own(values, call):
            return "unknown" if last == "Sequential" else many("unknown")
        return many("tensor") if last in _HOLDERS else "module"
    return many("tensor") if last in _LISTS_OF_TENSORS else "tensor"


def _holds_own(values: Values, call: Call) -> bool:
    """Tell whether a container is given modules of the candidate alone, whose `forward` is looked at."""
    owners = [own for argument in call.node.args for own in _made(argument, call.scope)]
    forwards = [values.member(own, "forward") if own is not None else None for own in owners]
    for forward in forwards:
        values.called(forward, ["unknown", "tensor"], {})
    return bool(forwards) and None not in forwards and not call.node.keywords


def _made(node: ast.expr | None, scope: Scope) -> Iterator[ast.ClassDef | None]:
    """Yield the class of the candidate of which each element is a fresh instance; None for all else."""
    if isinstance(node, ast.List | ast.Tuple):
        parts: list[ast.expr] = node.elts
    elif isinstance(node, ast.Dict):
        parts = node.values
    elif isinstance(node, ast.ListComp | ast.GeneratorExp):
        parts = [node.elt]
    elif isinstance(node, ast.Starred):
        parts = [node.value]
    else:
        own = own_definition(node.func, scope) if isinstance(node, ast.Call) else None
        yield own if isinstance(own, ast.ClassDef) else None
        return
    for part in parts:
        yield from _made(part, scope)


def note_numbers(values: Values, call: Call, name: str) -> None:
    """Note a tensor that is made of numbers which were read out of another."""
    if name in _MADE_FROM_NUMBERS:
        position = _MADE_FROM_NUMBERS[name]
        given = [call.named[word] for word in _VALUE_NAMES if word in call.named]
        given += call.arguments[position : position + 1]
        if any(leaf(kind) == "data" for kind in given):
            values.note(call.node, "this makes a tensor of numbers read out of another")


def builtin_result(values: Values, call: Call, name: str) -> Kind:
    """Return what a builtin gives."""
    first = call.arguments[0] if call.arguments else "plain"
    if name in _ARITHMETIC:
        return _arithmetic(values, call, name, first)
    if name in _NUMBERS:
        return "data" if leaf(first) in {"data", "tensor"} else "plain"
    if name == "enumerate":
        return many(fixed(["plain", element(first)]))
    if name == "zip":
        return many(fixed([element(kind) for kind in call.arguments]))
    if name in _SEQUENCES:
        held = call.arguments[-1] if call.arguments else first
        return held if isinstance(held, Fixed | Many) else many(element(held))
    return element(first) if name == "next" else "unknown" if name == "super" else "plain"


def _arithmetic(values: Values, call: Call, name: str, first: Kind) -> Kind:
    inside = [element(first)] if len(call.arguments) == 1 else call.arguments
    if "tensor" in inside and "key" not in call.named:
        values.note(call.node, f"`{name}` computes on tensors")
        return "tensor"
    if name == "sorted":
        return many(element(first))
    return joined(leaf(kind) for kind in inside)


def value_result(values: Values, call: Call, name: str) -> Kind:
    """Return what a method of a tensor, a container or anything else gives."""
    held = call.held
    if isinstance(held, Many | Fixed):
        return _container_result(held, name)
    note_numbers(values, call, name)
    if name in _READ:
        return "data" if held == "tensor" else "plain"
    if name in _LISTS_OF_TENSORS and held not in {"plain", "data"}:
        return many("tensor")
    if name in PLAIN_TENSOR_ATTRIBUTES or held in {"plain", "data"}:
        return held if held == "data" else "plain"
    return "tensor" if held == "tensor" else "unknown"


def _container_result(held: Many | Fixed, name: str) -> Kind:
    if name in {"pop", "get"}:
        return element(held)
    if name == "items":
        return many(fixed(["plain", element(held)]))
    return many(element(held)) if name in {"values", "copy"} else "plain"


def grown(held: Many | Fixed, argument: Kind) -> Kind:
    """Return what a container is after `append` and its like."""
    return many(join(element(held), element(argument)))
