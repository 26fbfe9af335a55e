"""The reference's text with other constants in it, and what is said where it fails."""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Iterator
from typing import Any

from eval.constants import assign, assigned
from eval.judge.faults import JudgeError

LITERAL = "literal "
"""What a key of `Case.constants` begins with that names a number instead of a constant."""
_MAKERS = ("get_inputs", "get_init_inputs")


def patched_source(source: str, constants: dict[str, Any]) -> str:
    """Return `source` with the values of its module constants replaced, its inputs made on no given device.

    Raises:
        JudgeError: `source` is not Python or assigns no constant of that name.

    """
    with our_failure("is not Python"):
        tree = ast.parse(source)
    numbers = {int(name.removeprefix(LITERAL)): new for name, new in constants.items() if LITERAL in name}
    _replace_literals(tree, numbers)
    for maker in _makers(tree):
        _Placeless().visit(maker)
    constants = {name: new for name, new in constants.items() if LITERAL not in name}
    missing = set(constants)
    for node in tree.body:
        for name in {name for name, _ in assigned(node)} & set(constants):
            value = constants[name]
            text = repr(tuple(value) if isinstance(value, list) else value)
            assign(node, name, ast.parse(text, mode="eval").body)
            missing.discard(name)
    if missing:
        raise JudgeError(f"the reference assigns no module constant {', '.join(sorted(missing))}")
    return ast.unparse(tree)


def _makers(tree: ast.Module) -> list[ast.FunctionDef]:
    return [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name in _MAKERS]


def _replace_literals(tree: ast.Module, numbers: dict[int, Any]) -> None:
    for node in (inner for maker in _makers(tree) for inner in ast.walk(maker)):
        if isinstance(node, ast.Constant) and type(node.value) is int and node.value in numbers:
            node.value = numbers[node.value]


class _Placeless(ast.NodeTransformer):
    """Takes out where tensors are to be made: the judge decides that."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        node.keywords = [keyword for keyword in node.keywords if keyword.arg != "device"]
        if isinstance(node.func, ast.Attribute) and node.func.attr == "cuda":
            return node.func.value
        return node


@contextlib.contextmanager
def our_failure(what: str) -> Iterator[None]:
    """Turn whatever the reference raises into our own failure: it is trusted text."""
    try:
        yield
    except JudgeError:
        raise
    except Exception as error:
        raise JudgeError(f"the reference {what}: {error!r}") from error
