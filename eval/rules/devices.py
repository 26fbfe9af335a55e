"""Rule `devices`: everything happens on the device of the inputs."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from eval.records import Violation
from eval.rules.candidate import Candidate
from eval.rules.paths import DEVICES
from eval.rules.report import violation
from eval.rules.scopes import Scope, path_of

RULE = DEVICES.rule
_OTHER_GPU = re.compile(r"(cuda|hip|xpu):(?!0\Z)\S*\Z")
_INDEXED = frozenset({"torch.cuda.device", "torch.cuda.device_of", "torch.device"})


_SWITCH = "torch.cuda.set_device"


def check(candidate: Candidate) -> Iterator[Violation]:
    """Yield devices named by number and numbers of devices that are computed."""
    kept = {call.func for call, _ in candidate.module.each(ast.Call) if _stays(call)}
    for chain in candidate.module.chains:
        if chain.path == _SWITCH and chain.node not in kept:
            yield violation(RULE, chain.node, f"`{_SWITCH}`: {DEVICES.advice}")
    for constant, scope in candidate.module.each(ast.Constant):
        value = constant.value if isinstance(constant.value, str) and scope.kind != "kernel" else ""
        if _OTHER_GPU.match(value):
            yield violation(RULE, constant, f"{value!r} names a device by number: {DEVICES.advice}")
    for call, scope in candidate.module.each(ast.Call):
        if _other_index(call, scope):
            yield violation(RULE, call, f"this names a device by number: {DEVICES.advice}")
    for operation, _ in candidate.module.each(ast.BinOp):
        if _is_index(operation.left) or _is_index(operation.right):
            yield violation(RULE, operation, f"this computes the number of a device: {DEVICES.advice}")


def _stays(node: ast.Call) -> bool:
    """Tell whether a call is given the device of something: ``x.device``, its index, ``x.get_device()``."""
    given = node.args[0] if len(node.args) == 1 and not node.keywords else None
    if isinstance(given, ast.Call):
        return isinstance(given.func, ast.Attribute) and given.func.attr == "get_device" and not given.args
    named = isinstance(given, ast.Attribute) and given.attr == "device"
    return given is not None and (named or _is_index(given))


def _other_index(node: ast.Call, scope: Scope) -> bool:
    path = path_of(node.func, scope)
    if path in _INDEXED:
        numbers = node.args if path != "torch.device" else node.args[1:]
        numbers += [keyword.value for keyword in node.keywords if keyword.arg in {"index", "device"}]
    elif isinstance(node.func, ast.Attribute) and node.func.attr == "cuda" and path is None:
        numbers = [*node.args, *(keyword.value for keyword in node.keywords if keyword.arg == "device")]
    elif isinstance(node.func, ast.Attribute) and node.func.attr == "to" and path is None:
        numbers = [argument for argument in node.args[:1] if isinstance(argument, ast.Constant)]
    else:
        numbers = [keyword.value for keyword in node.keywords if keyword.arg == "device"]
        return any(_is_other(number) for number in numbers if isinstance(number, ast.Constant))
    return any(_is_other(number) for number in numbers)


def _is_other(number: ast.expr) -> bool:
    if isinstance(number, ast.Constant):
        return isinstance(number.value, int) and not isinstance(number.value, bool) and number.value != 0
    return isinstance(number, ast.BinOp | ast.UnaryOp)


def _is_index(node: ast.expr) -> bool:
    owner = node.value if isinstance(node, ast.Attribute) and node.attr == "index" else None
    return isinstance(owner, ast.Attribute) and owner.attr == "device"
