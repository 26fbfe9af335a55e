"""Small questions about pieces of a tree that need no scope."""

from __future__ import annotations

import ast
from typing import NamedTuple

from eval.rules.scopes import FunctionNode

_LAST = (ast.Return, ast.Raise, ast.Continue, ast.Break)


REGISTERING = frozenset({"register_buffer", "register_parameter", "add_module", "register_module"})


class Registered(NamedTuple):
    """An attribute that a call sets under a name that is written out."""

    target: ast.expr
    name: str
    value: ast.expr


def registered(node: ast.Call) -> Registered | None:
    """Read ``self.register_buffer("name", value)`` and ``setattr(self, "name", value)``."""
    function = node.func
    if isinstance(function, ast.Attribute) and function.attr in REGISTERING:
        parts = [function.value, *node.args[:2]]
    elif isinstance(function, ast.Name) and function.id == "setattr":
        parts = node.args[:3]
    else:
        return None
    if len(parts) != 3 or not isinstance(parts[1], ast.Constant) or not isinstance(parts[1].value, str):  # noqa: PLR2004 - target, name, value
        return None
    return Registered(parts[0], parts[1].value, parts[2])


def live(block: list[ast.stmt]) -> list[ast.stmt]:
    """Return the statements of a block up to the first that always leaves it."""
    for position, statement in enumerate(block):
        if isinstance(statement, _LAST):
            return block[: position + 1]
    return block


def unpacked(value: ast.AST | None, target: ast.Tuple | ast.List) -> list[ast.expr | None]:
    """Return what each part of a target is given, or None for parts where the text does not say."""
    nothing: list[ast.expr | None] = [None] * len(target.elts)
    if not isinstance(value, ast.Tuple | ast.List) or len(value.elts) != len(target.elts):
        return nothing
    starred = any(isinstance(part, ast.Starred) for part in (*value.elts, *target.elts))
    return nothing if starred else list(value.elts)


def is_static(node: FunctionNode) -> bool:
    """Tell whether a method is decorated with `staticmethod`."""
    decorators = [] if isinstance(node, ast.Lambda) else node.decorator_list
    return any(isinstance(item, ast.Name) and item.id == "staticmethod" for item in decorators)


def is_main_guard(test: ast.expr) -> bool:
    """Tell whether a test is exactly ``__name__ == "__main__"``, either way round."""
    if not (isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq)):
        return False
    sides = (test.left, test.comparators[0])
    names = {side.id for side in sides if isinstance(side, ast.Name)}
    values = {side.value for side in sides if isinstance(side, ast.Constant) and isinstance(side.value, str)}
    return names == {"__name__"} and values == {"__main__"}
