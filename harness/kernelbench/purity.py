"""What importing a reference would do, read from its text: it may define things and nothing else."""

from __future__ import annotations

import ast
from collections.abc import Collection

_PURE_CALLS = frozenset({
    "int", "float", "bool", "str", "tuple", "list", "dict", "set", "frozenset", "range", "len", "min", "max",
    "sum", "abs", "round", "sorted", "pow", "divmod", "zip", "enumerate", "reversed", "namedtuple",
})  # fmt: skip
_PURE_MODULES = frozenset({"math", "collections", "functools", "itertools", "typing", "dataclasses"})
_PURE_TORCH = frozenset({"Size", "device", "finfo", "iinfo"})
_HARMLESS = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Pass)
_SHOWN_CHARS = 60

Names = Collection[str]


def pure_functions(tree: ast.Module) -> frozenset[str]:
    """Return the functions of the module that only define and return things, so that calling them is fine."""
    found: frozenset[str] = frozenset()
    for node in tree.body:  # one may call those before it
        if isinstance(node, ast.FunctionDef) and not node.decorator_list and _returns_only(node.body, found):
            found |= {node.name}
    return found


def effect(node: ast.stmt, own: Names) -> str | None:
    """Say what a statement does that importing should not do; None where it only defines something.

    `own` are functions of the module that may be called.
    """
    if isinstance(node, _HARMLESS) or _is_main_guard(node):
        return None
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return None
    if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
        return None if node.value is None else _impure(node.value, own)
    if isinstance(node, ast.Try | ast.If):
        inner = [*node.body, *node.orelse, *(s for h in getattr(node, "handlers", ()) for s in h.body)]
        return next((fault for fault in (effect(one, own) for one in inner) if fault is not None), None)
    if isinstance(node, ast.Expr):
        return _impure(node.value, own) or f"`{_short(node)}` is evaluated for nothing"
    return f"`{_short(node)}` runs"


def _returns_only(body: list[ast.stmt], own: Names) -> bool:
    return all(
        (node.value is None or _impure(node.value, own) is None)
        if isinstance(node, ast.Return)
        else isinstance(node, ast.FunctionDef) or effect(node, own) is None
        for node in body
    )


def _impure(value: ast.expr, own: Names) -> str | None:
    for node in ast.walk(value):
        if isinstance(node, ast.Call) and not _is_pure(node.func, own):
            return f"`{_short(node)}` is called"
        if isinstance(node, ast.Await | ast.Yield | ast.YieldFrom):
            return f"`{_short(node)}` runs"
    return None


def _is_pure(func: ast.expr, own: Names) -> bool:
    if isinstance(func, ast.Name):
        return func.id in _PURE_CALLS or func.id in own
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
    return text if len(text) <= _SHOWN_CHARS else f"{text[: _SHOWN_CHARS - 3]}..."
