"""Which names a statement of a module gives values to, and where each value stands in its tree."""

from __future__ import annotations

import ast


def assigned(node: ast.stmt) -> list[tuple[str, ast.expr]]:
    """Return names and the expressions whose values they get: of ``a = 1`` one, of ``b, c = 2, 3`` two."""
    targets: list[ast.expr] = [node.target] if isinstance(node, ast.AnnAssign) else []
    targets += node.targets if isinstance(node, ast.Assign) else []
    value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
    return [] if value is None else [pair for target in targets for pair in _pairs(target, value)]


def assign(node: ast.stmt, name: str, new: ast.expr) -> None:
    """Put another expression where `assigned` finds that of `name`."""
    assert isinstance(node, ast.Assign | ast.AnnAssign)
    old = dict(assigned(node))[name]
    if node.value is old:
        node.value = new
        return
    holder = node.value
    assert isinstance(holder, ast.Tuple | ast.List)
    holder.elts = [new if part is old else part for part in holder.elts]


def _pairs(target: ast.expr, value: ast.expr) -> list[tuple[str, ast.expr]]:
    if isinstance(target, ast.Name):
        return [(target.id, value)]
    several = (ast.Tuple, ast.List)
    if not isinstance(target, several) or not isinstance(value, several):
        return []
    if len(target.elts) != len(value.elts) or any(isinstance(e, ast.Starred) for e in value.elts):
        return []
    parts = zip(target.elts, value.elts, strict=True)
    return [(name.id, part) for name, part in parts if isinstance(name, ast.Name)]
