"""The collected facts of one candidate's text, as the walk leaves them and the rules read them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Literal, TypeVar, cast

from eval.rules.scopes import Scope, own_definition, path_of

SPEC_FUNCTIONS = ("get_inputs", "get_init_inputs")
"""Functions of a problem file that an answer must not hold; each has a rule of its own name."""
Node = TypeVar("Node", bound=ast.AST)
_STORED = (ast.Store, ast.Del)


class Chain:
    """A name or an expression with the attributes read or written on it: ``x.shape``, ``torch.nn.Linear``."""

    __slots__ = ("attributes", "base", "called", "context", "node", "path", "scope")

    def __init__(
        self, node: ast.expr, base: ast.expr, attributes: tuple[str, ...], scope: Scope, *, called: bool
    ) -> None:
        self.node = node
        self.base = base
        self.attributes = attributes
        self.scope = scope
        self.called = called
        stored = isinstance(getattr(node, "ctx", None), _STORED)
        self.context: Literal["load", "store"] = "store" if stored else "load"
        self.path: str | None = None
        """The imported path that it spells, if it does."""


class Module:
    """What a walk over the tree has found."""

    def __init__(self, code: str, tree: ast.Module) -> None:
        self.code = code
        self.tree = tree
        self.scope = Scope(tree, "module", None)
        self.scopes: dict[ast.AST, Scope] = {tree: self.scope}
        self._inner: dict[Scope, list[Scope]] = {}
        self.chains: list[Chain] = []
        self.found: dict[type[ast.AST], list[tuple[ast.AST, Scope]]] = {}
        """Every visited node by its type, with its scope; names and attributes are in `chains`."""
        self.self_values: dict[str, list[tuple[ast.expr | None, Scope]]] = {}
        """What methods assign to attributes of their object; None where it is not one expression."""
        self.guards: list[ast.If] = []
        self.attempts: dict[ast.ExceptHandler, ast.Try | ast.TryStar] = {}
        """The `try` of each handler."""
        self.kernels: dict[str, Scope] = {}

    def resolve(self) -> None:
        """Give each chain its path; for the end of the walk, when every name is bound."""
        self.scope.progress.complete = True
        known: dict[tuple[Scope, str], str | None] = {}
        for chain in self.chains:
            if isinstance(chain.base, ast.Name):
                key = (chain.scope, chain.base.id)
                if key not in known:
                    known[key] = path_of(chain.base, chain.scope)
                start = known[key]
                chain.path = ".".join((start, *chain.attributes)) if start is not None else None

    def add(self, scope: Scope) -> None:
        """Take note of a new scope within another."""
        assert scope.parent is not None
        self.scopes[scope.node] = scope
        self._inner.setdefault(scope.parent, []).append(scope)

    def inner(self, scope: Scope | None) -> list[Scope]:
        """Return the scopes that stand directly in one."""
        return self._inner.get(scope, []) if scope is not None else []

    def within(self, scope: Scope) -> Iterator[Scope]:
        """Yield a scope and all that are nested in it."""
        pending = [scope]
        while pending:
            one = pending.pop()
            yield one
            pending.extend(self.inner(one))

    def each(self, *kinds: type[Node]) -> list[tuple[Node, Scope]]:
        """Return the visited nodes of these types with their scopes."""
        found = [entry for kind in kinds for entry in self.found.get(kind, ())]
        return cast("list[tuple[Node, Scope]]", found)

    def kernel_of(self, node: ast.AST, scope: Scope) -> Scope | None:
        """Return the kernel that an expression names."""
        own = own_definition(node, scope)
        found = self.scopes.get(own) if own is not None else None
        return found if found is not None and found.kind == "kernel" else None
