"""What changes without a name being bound: code that does so is not followed, as values are kept by name."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import NamedTuple

from eval.rules.candidate import Candidate
from eval.rules.scopes import Scope, is_builtin

_CHANGING = frozenset({
    "append", "appendleft", "clear", "discard", "extend", "extendleft", "insert", "pop", "popitem", "popleft",
    "remove", "reverse", "rotate", "setdefault", "subtract", "update",
})  # fmt: skip
"""Methods of lists, dictionaries, sets and deques; those that tensors have too count as operators."""
_REFLECTING = frozenset(
    {"delattr", "eval", "exec", "getattr", "globals", "iter", "locals", "next", "setattr", "vars"}
)
_CONTAINER = re.compile(
    r"<|List|Dict|Set|\[|collections\.|name:(?:bytearray|dict|enumerate|filter|list|map|reversed|set|sorted|zip)\("
    r"|(?:Tuple|\w*Op\w*)\(.*(?:List|Dict|Set|\[)"
)


class Unseen(NamedTuple):
    """Where a candidate changes what values do not follow."""

    scopes: frozenset[Scope]
    """Functions that may, themselves or within."""
    anywhere: bool
    """The file has one of these, or an assignment to an item."""


def unseen_changes(candidate: Candidate) -> Unseen:
    """Find what changes lists and dictionaries, reflects, deletes items, or reads variables later."""
    scopes: set[Scope] = set()
    for scope in _changing(candidate):
        place: Scope | None = scope
        while place is not None:
            scopes.add(place)
            place = place.parent
    items = any(isinstance(node.ctx, ast.Store) for node, _ in candidate.module.each(ast.Subscript))
    return Unseen(frozenset(scopes), anywhere=bool(scopes) or items)


def is_container(text: str) -> bool:
    """Tell whether a value may be one whose items change while its name stays."""
    return _CONTAINER.match(text) is not None


def _changing(candidate: Candidate) -> Iterator[Scope]:
    module = candidate.module
    for chain in module.chains:
        base = chain.base.id if isinstance(chain.base, ast.Name) else ""
        reflects = base in _REFLECTING and not chain.attributes and is_builtin(base, chain.scope)
        if chain.scope.kind != "kernel" and (reflects or not _CHANGING.isdisjoint(chain.attributes)):
            yield chain.scope
    for _, scope in (*module.each(ast.Yield), *module.each(ast.YieldFrom), *module.each(ast.Await)):
        yield scope
    for deletion, scope in module.each(ast.Delete):
        if not all(isinstance(target, ast.Name) for target in deletion.targets):
            yield scope
    for function, scope in module.each(ast.Lambda):
        inner = module.scopes.get(function)
        if inner is not None and _read_later(candidate, function, inner.used - inner.names.keys(), scope):
            yield scope
    for generator, scope in module.each(ast.GeneratorExp):
        used = {node.id for node in ast.walk(generator) if isinstance(node, ast.Name)}
        if _read_later(candidate, generator, used, scope):
            yield scope


def _read_later(candidate: Candidate, reader: ast.expr, names: set[str], scope: Scope) -> bool:
    """Tell whether a variable or an attribute may have another value by the time that it is read."""
    if not names.isdisjoint(candidate.once(("stored late",), lambda: _stored_late(candidate))):
        return True
    often = (name for name in names if len(scope.names.get(name, ())) > 1)
    return any(_bound_behind(name, reader, scope) for name in often)


def _stored_late(candidate: Candidate) -> frozenset[str]:
    """Return the attributes that are assigned anywhere but in a constructor."""
    chains = candidate.module.chains
    stored = (chain for chain in chains if chain.attributes and chain.context == "store")
    return frozenset(chain.attributes[-1] for chain in stored if chain.scope.name != "__init__")


def _bound_behind(name: str, reader: ast.expr, scope: Scope) -> bool:
    found: list[tuple[int, int]] = []
    for node in ast.walk(scope.node):
        if isinstance(node, ast.For | ast.While) and node.lineno <= reader.lineno <= (node.end_lineno or 0):
            return True
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store):
            found.append((node.lineno, node.col_offset))
    return max(found, default=(0, 0)) > (reader.lineno, reader.col_offset)
