"""The reference's text with other constants in it, and what is said where it fails."""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Iterator
from typing import Any

from eval.judge.faults import JudgeError

LITERAL = "literal "
"""What a key of `Case.constants` begins with that names a number instead of a constant."""
_MAKERS = ("get_inputs", "get_init_inputs")


def patched_source(source: str, constants: dict[str, Any]) -> str:
    """Return `source` with the values of its module constants replaced.

    Raises:
        JudgeError: `source` is not Python or assigns no constant of that name.

    """
    with our_failure("is not Python"):
        tree = ast.parse(source)
    numbers = {int(name.removeprefix(LITERAL)): new for name, new in constants.items() if LITERAL in name}
    _replace_literals(tree, numbers)
    constants = {name: new for name, new in constants.items() if LITERAL not in name}
    missing = set(constants)
    for node in tree.body:
        for name in _assigned(node) & set(constants):
            assert isinstance(node, ast.Assign | ast.AnnAssign)
            value = constants[name]
            text = repr(tuple(value) if isinstance(value, list) else value)
            node.value = ast.parse(text, mode="eval").body
            missing.discard(name)
    if missing:
        raise JudgeError(f"the reference assigns no module constant {', '.join(sorted(missing))}")
    return ast.unparse(tree)


def _replace_literals(tree: ast.Module, numbers: dict[int, Any]) -> None:
    makers = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name in _MAKERS]
    for node in (inner for maker in makers for inner in ast.walk(maker)):
        if isinstance(node, ast.Constant) and type(node.value) is int and node.value in numbers:
            node.value = numbers[node.value]


def _assigned(node: ast.stmt) -> set[str]:
    """Names of module constants that a statement gives one value."""
    if isinstance(node, ast.Assign):
        targets = node.targets
    else:
        targets = [node.target] if isinstance(node, ast.AnnAssign) else []
    return {target.id for target in targets if isinstance(target, ast.Name)}


@contextlib.contextmanager
def our_failure(what: str) -> Iterator[None]:
    """Turn whatever the reference raises into our own failure: it is trusted text."""
    try:
        yield
    except JudgeError:
        raise
    except Exception as error:
        raise JudgeError(f"the reference {what}: {error!r}") from error
