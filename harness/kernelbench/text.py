"""Read a reference as text: what it defines, which constants it has, and what importing it would do."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import Any, NamedTuple

from eval.constants import assigned
from harness.errors import UsageError
from harness.kernelbench.folding import folded
from harness.kernelbench.purity import effect, pure_functions

_NEEDED = ("Model", "get_inputs", "get_init_inputs")
_AT_HAND = frozenset({"torch", "numpy", "triton"})


class Reference(NamedTuple):
    """What a reference's text holds."""

    title: str
    """First line of its docstring, or of its model's; empty without."""
    constants: dict[str, Any]
    """Module constants whose values stand there: numbers, texts, and tuples or lists of them."""
    literals: tuple[int, ...]
    """Whole numbers that stand in `get_inputs` and `get_init_inputs` themselves, sorted."""
    built_with: frozenset[str]
    """Names that `get_init_inputs` speaks of: sizes of the model, where others are sizes of its inputs."""
    packages: tuple[str, ...]
    """Packages it imports beside torch and numpy, sorted."""


def read_reference(text: str, path: Path) -> Reference:
    """Return what the text holds; nothing of it is run.

    Raises `UsageError`: it is not Python, lacks a part of KernelBench's format, or does something
    when it is imported.
    """
    tree = parsed(text, path)
    _check_parts(tree, path)
    own = pure_functions(tree)
    for node in tree.body:
        fault = effect(node, own)
        if fault is not None:
            raise UsageError(
                f"{path}, line {node.lineno}: {fault} at the top level: a reference only defines things"
            )
    return Reference(
        title=_title(tree),
        constants=_constants(tree),
        literals=_literals(tree),
        built_with=_built_with(tree),
        packages=_packages(tree),
    )


def parsed(text: str, path: Path) -> ast.Module:
    """Return the text's syntax tree.

    Raises `UsageError`: it is not Python.
    """
    try:
        return ast.parse(text)
    except SyntaxError as error:
        raise UsageError(f"{path}, line {error.lineno}: not valid Python: {error.msg}") from error
    except (RecursionError, MemoryError) as error:
        raise UsageError(f"{path}: not valid Python: it is nested too deeply") from error


def _check_parts(tree: ast.Module, path: Path) -> None:
    defined = {node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    for needed in _NEEDED:
        if needed not in defined:
            raise UsageError(f"{path}: defines no {needed}; it must be in KernelBench's format")


def _title(tree: ast.Module) -> str:
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Model"]
    holders: list[ast.Module | ast.ClassDef] = [tree, *classes]
    for holder in holders:
        said = (ast.get_docstring(holder) or "").strip()
        if said:
            return said.splitlines()[0].strip()
    return ""


def _constants(tree: ast.Module) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for node in tree.body:
        for name, value in assigned(node):
            found.pop(name, None)
            found.update((name, known) for known in folded(value, found))
    return found


def _literals(tree: ast.Module) -> tuple[int, ...]:
    makers = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name.startswith("get_in")]
    nodes = [node for maker in makers for node in ast.walk(maker) if isinstance(node, ast.Constant)]
    return tuple(sorted({node.value for node in nodes if type(node.value) is int and node.value > 1}))


def _built_with(tree: ast.Module) -> frozenset[str]:
    makers = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "get_init_inputs"]
    nodes = (node for maker in makers for node in ast.walk(maker))
    return frozenset(node.id for node in nodes if isinstance(node, ast.Name))


def _packages(tree: ast.Module) -> tuple[str, ...]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return tuple(sorted(names - _AT_HAND - set(sys.stdlib_module_names)))
