"""Which of the candidate's functions run: when the model is called, when it is built, or never.

Where it cannot tell, it follows too much rather than too little: a function that is handed on as a value
counts as called, a method as called wherever its name is read.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from eval.rules.module import Chain, Module
from eval.rules.scopes import Binding, Definition, Scope, lookup, own_definition

Phase = Literal["run", "init", "unused"]
MODEL = "ModelNew"
_CONSTRUCTORS = frozenset({"__init__", "__post_init__"})
_ENTRIES = frozenset({"forward", "backward", "setup_context", "_call_impl", "_wrapped_call_impl"})
_MAX_BASES = 8


class _Name(NamedTuple):
    """What a name leads to, wherever it is read; `home` binds it, and without one it is an attribute."""

    name: str
    home: Scope | None


class Reach:
    """Follows names, methods and attributes from `forward` and from the constructors."""

    def __init__(self, module: Module) -> None:
        self._module = module
        self._methods: dict[str, list[Scope]] = {}
        for scope in module.scopes.values():
            if scope.parent is not None and scope.parent.kind == "class" and scope.kind != "class":
                self._methods.setdefault(scope.name, []).append(scope)
        self._names: dict[Scope, list[_Name]] = {}
        self._leads: dict[_Name, list[Scope]] = {}
        self._steps: dict[Scope, list[list[Scope]]] = {}
        self.model = self._model()
        self._run = self.closure(self._entries())
        self._init = self.closure(self._methods.get("__init__", ()))

    def phase(self, scope: Scope) -> Phase:
        """Say when the code of a scope runs; the module's and the classes' own statements count as run."""
        if scope in self._run or scope.kind in {"module", "class"}:
            return "run"
        return "init" if scope in self._init else "unused"

    def forward(self) -> Scope | None:
        """Return `forward` of the model, its own or inherited from a class of the candidate."""
        scope = self.model
        for _ in range(_MAX_BASES):
            for child in self._module.inner(scope):
                if child.name == "forward":
                    return child
            scope = self.own_base(scope) if scope is not None else None
        return None

    def methods(self, name: str) -> list[Scope]:
        """Return the methods of this name, of any class of the candidate."""
        return self._methods.get(name, [])

    def closure(self, starts: Iterable[Scope]) -> set[Scope]:
        """Return the scopes that code in `starts` can lead to, and those themselves."""
        reached: set[Scope] = set()
        followed: set[int] = set()
        pending = list(starts)
        while pending:
            scope = pending.pop()
            if scope in reached:
                continue
            reached.add(scope)
            if scope.kind in {"host", "kernel"}:
                pending.extend(self._module.inner(scope))
            for led in self._onward(scope):
                if id(led) not in followed:
                    followed.add(id(led))
                    pending.extend(led)
        return reached

    def _onward(self, scope: Scope) -> list[list[Scope]]:
        """Return where each name that a scope reads leads to; many scopes share one list."""
        if scope not in self._steps:
            self._steps[scope] = [led for name in self._read(scope) if (led := self._led(name))]
        return self._steps[scope]

    def leading_to(self, goals: Iterable[Scope]) -> set[Scope]:
        """Return the scopes whose code can lead to one of `goals`, and those themselves."""
        readers: dict[_Name, list[Scope]] = {}
        sources: dict[Scope, list[_Name]] = {}
        for scope in self._module.scopes.values():
            for name in self._read(scope):
                readers.setdefault(name, []).append(scope)
        for name in readers:
            for scope in self._led(name):
                sources.setdefault(scope, []).append(name)
        found: set[Scope] = set()
        pending = list(goals)
        while pending:
            scope = pending.pop()
            if scope in found:
                continue
            found.add(scope)
            if scope.parent is not None and scope.parent.kind in {"host", "kernel"}:
                pending.append(scope.parent)
            for name in sources.pop(scope, ()):
                pending.extend(readers.pop(name, ()))
        return found

    def _read(self, scope: Scope) -> list[_Name]:
        """Return what the names that a scope reads stand for; many scopes share one answer."""
        if scope not in self._names:
            found = ((name, lookup(name, scope)) for name in scope.used)
            bound = [_Name(name, there[1]) for name, there in found if there is not None]
            self._names[scope] = [*bound, *(_Name(name, None) for name in scope.used)]
        return self._names[scope]

    def _led(self, name: _Name) -> list[Scope]:
        if name not in self._leads:
            self._leads[name] = list(dict.fromkeys(self._next(name)))
        return self._leads[name]

    def _next(self, name: _Name) -> Iterator[Scope]:
        if name.home is not None:
            yield from self._bound(name.home.names[name.name], name.home)
            return
        yield from self._methods.get(name.name, ())
        for value, home in self._module.self_values.get(name.name, ()):
            if value is not None:
                yield from self._mentioned(value, home)

    def _named(self, name: str, scope: Scope) -> list[Scope]:
        found = lookup(name, scope)
        return self._led(_Name(name, found[1])) if found is not None else []

    def _bound(self, bindings: list[Binding], home: Scope) -> Iterator[Scope]:
        for binding in bindings:
            if isinstance(binding, Definition):
                yield from self._defined(binding, built=True)
            elif isinstance(binding, ast.expr) and home.kind == "module":
                yield from self._mentioned(binding, home)

    def _mentioned(self, value: ast.expr, home: Scope) -> Iterator[Scope]:
        made = {node.func for node in ast.walk(value) if isinstance(node, ast.Call)}
        for node in ast.walk(value):
            own = own_definition(node, home)
            if own is not None:
                yield from self._defined(own, built=node not in made)
            elif isinstance(node, ast.Attribute):
                yield from self._methods.get(node.attr, ())

    def _defined(self, node: Definition, *, built: bool) -> Iterator[Scope]:
        scope = self._module.scopes.get(node)
        if scope is None:
            return
        yield scope
        if scope.kind == "class":
            inner = self._module.inner(scope)
            yield from (child for child in inner if _is_entry(child.name))
            if built:
                yield from (child for child in inner if child.name in _CONSTRUCTORS)

    def _entries(self) -> list[Scope]:
        starts = [child for child in self._module.inner(self.model) if _is_entry(child.name)]
        inherited = self.forward()
        starts += [inherited] if inherited is not None else []
        for scope in self._module.scopes.values():
            if scope.kind in {"module", "class"}:
                starts += [inner for name in scope.used for inner in self._functions(name, scope)]
            elif isinstance(scope.node, ast.Lambda) or (scope.parent and scope.parent.kind == "host"):
                starts.append(scope)
        return starts + [scope for chain in self._module.chains for scope in self._handed(chain)]

    def _functions(self, name: str, scope: Scope) -> Iterator[Scope]:
        return (inner for inner in self._named(name, scope) if inner.name not in _CONSTRUCTORS)

    def _handed(self, chain: Chain) -> Iterator[Scope]:
        """Yield the functions that are passed on as values, and what Python calls on mentioned classes."""
        own = own_definition(chain.base, chain.scope) if isinstance(chain.base, ast.Name) else None
        if isinstance(own, ast.ClassDef):
            if not _stands_in(chain.scope, own):
                yield from self._defined(own, built=False)
        elif own is not None and not chain.called and not chain.attributes:
            yield from self._defined(own, built=False)
        elif chain.attributes and not chain.called and chain.context == "load":
            yield from self._methods.get(chain.attributes[-1], ())

    def _model(self) -> Scope | None:
        nodes = [
            node for node in self._module.tree.body if isinstance(node, ast.ClassDef) and node.name == MODEL
        ]
        return self._module.scopes.get(nodes[-1]) if nodes else None

    def own_base(self, scope: Scope) -> Scope | None:
        """Return the first class of the candidate that a class inherits from."""
        if isinstance(scope.node, ast.ClassDef) and scope.parent is not None:
            for base in scope.node.bases:
                own = own_definition(base, scope.parent)
                if isinstance(own, ast.ClassDef):
                    return self._module.scopes.get(own)
        return None


def _is_entry(name: str) -> bool:
    special = name.startswith("__") and name.endswith("__") and name not in _CONSTRUCTORS
    return special or name in _ENTRIES


def _stands_in(scope: Scope, node: ast.ClassDef) -> bool:
    place: Scope | None = scope
    while place is not None:
        if place.node is node:
            return True
        place = place.parent
    return False
