"""Read a reference as text: what it defines, which constants it has, and what importing it would do."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import Any, NamedTuple

from harness.errors import UsageError

_NEEDED = ("Model", "get_inputs", "get_init_inputs")
_PURE_CALLS = frozenset({
    "int", "float", "bool", "str", "tuple", "list", "dict", "set", "frozenset", "range", "len", "min", "max",
    "sum", "abs", "round", "sorted", "pow", "divmod", "zip", "enumerate", "reversed", "namedtuple",
})  # fmt: skip
_PURE_MODULES = frozenset({"math", "collections", "functools", "itertools", "typing", "dataclasses"})
_PURE_TORCH = frozenset({"Size", "device", "finfo", "iinfo"})
_HARMLESS = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Pass)
_AT_HAND = frozenset({"torch", "numpy", "triton"})


class Reference(NamedTuple):
    """What a reference's text holds."""

    title: str
    """First line of its docstring, or of its model's; empty without."""
    constants: dict[str, Any]
    """Module constants whose values stand there: numbers, texts, and tuples or lists of them."""
    literals: tuple[int, ...]
    """Whole numbers that stand in `get_inputs` and `get_init_inputs` themselves, sorted."""
    packages: tuple[str, ...]
    """Packages it imports beside torch and numpy, sorted."""


def read_reference(text: str, path: Path) -> Reference:
    """Return what the text holds; nothing of it is run.

    Raises `UsageError`: it is not Python, lacks a part of KernelBench's format, or does something
    when it is imported.
    """
    tree = parsed(text, path)
    _check_parts(tree, path)
    for node in tree.body:
        fault = _effect(node)
        if fault is not None:
            raise UsageError(
                f"{path}, line {node.lineno}: {fault} at the top level: a reference only defines things"
            )
    return Reference(
        title=_title(tree), constants=_constants(tree), literals=_literals(tree), packages=_packages(tree)
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


def _effect(node: ast.stmt) -> str | None:
    """Say what a statement does that importing should not do; None where it only defines something."""
    if isinstance(node, _HARMLESS) or _is_main_guard(node):
        return None
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return None
    if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
        return None if node.value is None else _impure(node.value)
    if isinstance(node, ast.Try | ast.If):
        inner = [*node.body, *node.orelse, *(s for h in getattr(node, "handlers", ()) for s in h.body)]
        return next((fault for fault in map(_effect, inner) if fault is not None), None)
    if isinstance(node, ast.Expr):
        return _impure(node.value) or f"`{_short(node)}` is evaluated for nothing"
    return f"`{_short(node)}` runs"


def _impure(value: ast.expr) -> str | None:
    for node in ast.walk(value):
        if isinstance(node, ast.Call) and not _is_pure(node.func):
            return f"`{_short(node)}` is called"
        if isinstance(node, ast.Await | ast.Yield | ast.YieldFrom):
            return f"`{_short(node)}` runs"
    return None


def _is_pure(func: ast.expr) -> bool:
    if isinstance(func, ast.Name):
        return func.id in _PURE_CALLS
    if isinstance(func, ast.Attribute) and isinstance(func.value, ast.Name):
        home = func.value.id
        return home in _PURE_MODULES or (home == "torch" and func.attr in _PURE_TORCH)
    return False


def _is_main_guard(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and "__name__" in {
        part.id for part in ast.walk(node.test) if isinstance(part, ast.Name)
    }


def _short(node: ast.AST) -> str:
    text = ast.unparse(node).splitlines()[0]
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004 - fits into a line


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
        if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for target in targets:
            if isinstance(target, ast.Name):
                found.pop(target.id, None)
                found.update((target.id, value) for value in _value(node.value))
    return found


def _value(node: ast.expr) -> list[Any]:
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return []
    return [value] if isinstance(value, int | float | str | tuple | list) else []


def _literals(tree: ast.Module) -> tuple[int, ...]:
    makers = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name.startswith("get_in")]
    nodes = [node for maker in makers for node in ast.walk(maker) if isinstance(node, ast.Constant)]
    return tuple(sorted({node.value for node in nodes if type(node.value) is int and node.value > 1}))


def _packages(tree: ast.Module) -> tuple[str, ...]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return tuple(sorted(names - _AT_HAND - set(sys.stdlib_module_names)))
