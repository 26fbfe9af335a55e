"""A candidate as the rules see it: its facts, what runs when, and which objects are its own."""

from __future__ import annotations

import ast
from collections.abc import Callable
from functools import cached_property, partial
from typing import TypeVar, cast

from eval.rules.module import Chain, Module
from eval.rules.reach import Reach
from eval.rules.scopes import Binding, Scope, lookup, own_definition, path_of

T = TypeVar("T")
_MOST_BASES = 16
_NUMBER_INFO = frozenset({"torch.finfo", "torch.iinfo"})


class Candidate:
    """What every rule is given."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.reach = Reach(module)
        self._answers: dict[tuple[object, ...], object] = {}

    def once(self, key: tuple[object, ...], find: Callable[[], T]) -> T:
        """Return what `find` gives, asked once for each key: a hostile text has the same question often."""
        if key not in self._answers:
            self._answers[key] = find()
        return cast("T", self._answers[key])

    def values_of(self, name: ast.Name, scope: Scope) -> list[Binding]:
        """Return all that a name is bound to; empty where the file does not bind it."""
        found = lookup(name.id, scope)
        return found[0] if found is not None else []

    def calls_in(self, scope: Scope) -> list[ast.Call]:
        """Return the calls in a scope, without those of scopes nested in it."""
        return self._calls.get(scope, [])

    @cached_property
    def _calls(self) -> dict[Scope, list[ast.Call]]:
        found: dict[Scope, list[ast.Call]] = {}
        for call, scope in self.module.each(ast.Call):
            found.setdefault(scope, []).append(call)
        return found

    def is_number_info(self, node: ast.AST, scope: Scope) -> bool:
        """Tell whether an expression is surely ``torch.finfo(...)`` or ``torch.iinfo(...)``."""
        if isinstance(node, ast.Call):
            return path_of(node.func, scope) in _NUMBER_INFO
        found = lookup(node.id, scope) if isinstance(node, ast.Name) else None
        return found is not None and self.once(
            ("number info", id(found[0])), lambda: self._are_number_info(found[0], scope)
        )

    def _are_number_info(self, values: list[Binding], scope: Scope) -> bool:
        return bool(values) and all(
            isinstance(value, ast.Call) and self.is_number_info(value, scope) for value in values
        )

    def mentions(self, attribute: str) -> bool:
        """Tell whether a class of the candidate defines or sets an attribute of this name."""
        return attribute in self.module.self_values or attribute in self._class_names

    @cached_property
    def _class_names(self) -> frozenset[str]:
        scopes = self.module.scopes.values()
        return frozenset(name for scope in scopes if scope.kind == "class" for name in scope.names)

    def own_attributes(self, chain: Chain) -> int:
        """Return how many of a chain's first attributes the candidate's own classes define."""
        position = 0
        own = self._own_base(chain) if chain.attributes else None
        while own is not None and position < len(chain.attributes):
            name = chain.attributes[position]
            if not self.once(("defines", own, name), partial(self._defines, own, name)):
                break
            position += 1
            own = self.held_in(name)
        return position

    def held_in(self, attribute: str) -> ast.ClassDef | None:
        """Return the candidate's class of which this attribute of its objects always holds an instance."""
        values = self.module.self_values.get(attribute, [])
        return self.once(("held in", attribute), lambda: self.instance_of(values))

    def _own_base(self, chain: Chain) -> ast.ClassDef | None:
        base = chain.base
        if not isinstance(base, ast.Name):
            return None
        place: Scope | None = chain.scope
        while place is not None:
            if base.id in place.names:
                if base.id == place.receiver and place.parent is not None:
                    node = place.parent.node
                    return node if isinstance(node, ast.ClassDef) else None
                break
            place = place.parent
        own = own_definition(base, chain.scope)
        if isinstance(own, ast.ClassDef):
            return own
        found = lookup(base.id, chain.scope)
        if found is None:
            return None
        values, home = found
        return self.once(
            ("instance", id(values)), lambda: self.instance_of([(value, home) for value in values])
        )

    def instance_of(
        self, values: list[tuple[Binding, Scope]] | list[tuple[ast.expr | None, Scope]]
    ) -> ast.ClassDef | None:
        """Return the class of the candidate of which all these values are fresh instances."""
        classes = {
            own_definition(value.func, scope) if isinstance(value, ast.Call) else None
            for value, scope in values
        }
        first = classes.pop() if len(classes) == 1 else None
        return first if isinstance(first, ast.ClassDef) else None

    def _defines(self, own: ast.ClassDef, name: str) -> bool:
        pending: list[ast.ClassDef] = [own]
        seen: set[ast.ClassDef] = set()
        setters = self.once(("setters", name), lambda: self._setters(name))
        while pending and len(seen) < _MOST_BASES:
            node = pending.pop()
            scope = self.module.scopes.get(node)
            if node in seen or scope is None:
                continue
            seen.add(node)
            if name in scope.names or scope in setters:
                return True
            bases = [own_definition(base, scope.parent or scope) for base in node.bases]
            pending.extend(base for base in bases if isinstance(base, ast.ClassDef))
        return False

    def _setters(self, name: str) -> frozenset[Scope | None]:
        return frozenset(home.parent for _, home in self.module.self_values.get(name, []))
