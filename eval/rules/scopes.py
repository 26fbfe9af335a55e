"""Scopes and what the names in them stand for: the one place where imports and aliases are resolved.

A path is the dotted name of something imported, as its own library calls it: after ``import torch as T``
and ``f = T.cumsum``, both ``T.cumsum`` and ``f`` have the path ``torch.cumsum``.
"""

from __future__ import annotations

import ast
from typing import Literal

ScopeKind = Literal["module", "class", "host", "kernel"]
Binding = str | ast.AST | None
"""An imported path, the expression or definition that was assigned, or None for anything else."""
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


_ALIASES = 50
"""Aliases of names that are bound only later are followed this far; all others to the end."""


class Progress:
    """How far the walk over a module has come."""

    __slots__ = ("complete",)

    def __init__(self) -> None:
        self.complete = False
        """Every name is bound, so that what was found out may be kept."""


class Scope:
    """A module, class, function or lambda, and the names that it binds.

    It knows its parent and not what stands within it, which is `Module.inner`: a ring would keep every tree
    until the garbage collector comes by.
    """

    __slots__ = (
        "definitions", "expressions", "kind", "module_names", "names", "node", "parent", "paths", "progress",
        "receiver", "used",
    )  # fmt: skip

    def __init__(self, node: ast.AST, kind: ScopeKind, parent: Scope | None) -> None:
        self.node = node
        self.kind = kind
        self.parent = parent
        self.names: dict[str, list[Binding]] = {}
        self.module_names: set[str] = set()
        """Names declared ``global``."""
        self.used: set[str] = set()
        """Names and attributes that are read here, without nested functions and classes."""
        self.receiver: str | None = None
        """What a method calls its object, usually ``self``."""
        self.progress: Progress = parent.progress if parent is not None else Progress()
        self.paths: dict[str, str | None] = {}
        self.expressions: dict[ast.AST, str | None] = {}
        self.definitions: dict[str, Definition | None] = {}

    @property
    def name(self) -> str:
        """Name of the function or class; empty for a lambda or the module."""
        return getattr(self.node, "name", "")

    def bind(self, name: str, value: Binding) -> None:
        """Record that `name` stands for `value`, among whatever else it stands for."""
        home = self
        while name in self.module_names and home.parent is not None:
            home = home.parent
        home.names.setdefault(name, []).append(value)


def lookup(name: str, scope: Scope) -> tuple[list[Binding], Scope] | None:
    """Return what a name is bound to and where, by Python's rules; None for a builtin or unknown name."""
    place: Scope | None = scope
    while place is not None:
        if name in place.names and (place.kind != "class" or place is scope):
            return place.names[name], place
        place = place.parent
    return None


def is_builtin(name: str, scope: Scope) -> bool:
    """Tell whether nothing in the file binds this name."""
    return lookup(name, scope) is None


def builtin_called(node: ast.AST, scope: Scope) -> str | None:
    """Return the name of the builtin that a call calls directly."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and is_builtin(node.func.id, scope):
        return node.func.id
    return None


def getattr_parts(node: ast.AST) -> tuple[ast.expr, str] | None:
    """Read ``getattr(value, "name")`` as the attribute that it is."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "getattr"):
        return None
    if len(node.args) not in {2, 3} or node.keywords:
        return None
    name = node.args[1]
    if isinstance(name, ast.Constant) and isinstance(name.value, str):
        return node.args[0], name.value
    return None


def path_of(node: ast.AST, scope: Scope, steps: int = _ALIASES) -> str | None:
    """Return the imported path that an expression stands for, through aliases; None for all else."""
    known = scope.expressions
    if node in known:
        return known[node]
    path = _spelt(node, scope, steps)
    if scope.progress.complete and steps == _ALIASES:
        known[node] = path
    return path


def _spelt(node: ast.AST, scope: Scope, steps: int) -> str | None:
    attributes: list[str] = []
    while True:
        if isinstance(node, ast.Attribute):
            attributes.append(node.attr)
            node = node.value
            continue
        parts = getattr_parts(node)
        if parts is None:
            break
        node, name = parts
        attributes.append(name)
    base = _name_path(node.id, scope, steps) if isinstance(node, ast.Name) else None
    if base is None:
        return None
    return ".".join([base, *reversed(attributes)]) if attributes else base


def _name_path(name: str, scope: Scope, steps: int) -> str | None:
    found = lookup(name, scope)
    if found is None or steps == 0:
        return None
    bindings, home = found
    if not home.progress.complete:
        return bindings[-1] if isinstance(bindings[-1], str) else None
    if name not in home.paths:
        home.paths[name] = None  # what an alias of itself stands for
        aliases = (
            binding for binding in bindings if isinstance(binding, ast.Name | ast.Attribute | ast.Call)
        )
        paths = (path_of(alias, home, steps - 1) for alias in aliases)
        known = next((binding for binding in bindings if isinstance(binding, str)), None)
        home.paths[name] = known or next((path for path in paths if path is not None), None)
    return home.paths[name]


def own_definition(node: ast.AST, scope: Scope, steps: int = _ALIASES) -> Definition | None:
    """Return the candidate's own function or class that a name stands for, through aliases."""
    if not isinstance(node, ast.Name) or steps == 0:
        return None
    found = lookup(node.id, scope)
    if found is None:
        return None
    bindings, home = found
    if not home.progress.complete:
        return bindings[-1] if isinstance(bindings[-1], Definition) else None
    if node.id not in home.definitions:
        home.definitions[node.id] = None
        known = next((binding for binding in reversed(bindings) if isinstance(binding, Definition)), None)
        aliases = (binding for binding in reversed(bindings) if isinstance(binding, ast.Name))
        owned = (own_definition(alias, home, steps - 1) for alias in aliases)
        home.definitions[node.id] = known or next((own for own in owned if own is not None), None)
    return home.definitions[node.id]
