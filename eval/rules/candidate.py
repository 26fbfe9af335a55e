"""A candidate as the rules see it: its facts, what runs when, and which objects are its own."""

from __future__ import annotations

import ast

from eval.rules.module import Chain, Module
from eval.rules.reach import Reach
from eval.rules.scopes import Binding, Scope, lookup, own_definition, path_of

_NUMBER_INFO = frozenset({"torch.finfo", "torch.iinfo"})


class Candidate:
    """What every rule is given."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.reach = Reach(module)

    def values_of(self, name: ast.Name, scope: Scope) -> list[Binding]:
        """Return all that a name is bound to; empty where the file does not bind it."""
        found = lookup(name.id, scope)
        return found[0] if found is not None else []

    def is_number_info(self, node: ast.AST, scope: Scope) -> bool:
        """Tell whether an expression is surely ``torch.finfo(...)`` or ``torch.iinfo(...)``."""
        if isinstance(node, ast.Call):
            return path_of(node.func, scope) in _NUMBER_INFO
        values = self.values_of(node, scope) if isinstance(node, ast.Name) else []
        return bool(values) and all(
            isinstance(value, ast.Call) and self.is_number_info(value, scope) for value in values
        )

    def mentions(self, attribute: str) -> bool:
        """Tell whether a class of the candidate defines or sets an attribute of this name."""
        classes = [scope for scope in self.module.scopes.values() if scope.kind == "class"]
        return attribute in self.module.self_values or any(attribute in scope.names for scope in classes)

    def own_attributes(self, chain: Chain) -> int:
        """Return how many of a chain's first attributes the candidate's own classes define."""
        position = 0
        own = self._own_base(chain) if chain.attributes else None
        while own is not None and position < len(chain.attributes):
            name = chain.attributes[position]
            if not self._defines(own, name):
                break
            position += 1
            own = self.instance_of(self.module.self_values.get(name, []))
        return position

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
        return self.instance_of([(value, found[1]) for value in found[0]]) if found is not None else None

    def instance_of(
        self, values: list[tuple[Binding, Scope]] | list[tuple[ast.expr | None, Scope]]
    ) -> ast.ClassDef | None:
        """Return the class of the candidate of which all these values are fresh instances."""
        classes = [
            own_definition(value.func, scope) if isinstance(value, ast.Call) else None
            for value, scope in values
        ]
        first = classes[0] if classes else None
        return first if isinstance(first, ast.ClassDef) and all(found is first for found in classes) else None

    def _defines(self, own: ast.ClassDef, name: str) -> bool:
        pending: list[ast.ClassDef] = [own]
        seen: set[ast.ClassDef] = set()
        while pending:
            node = pending.pop()
            scope = self.module.scopes.get(node)
            if node in seen or scope is None:
                continue
            seen.add(node)
            if name in scope.names or any(
                home.parent is scope for _, home in self.module.self_values.get(name, [])
            ):
                return True
            bases = [own_definition(base, scope.parent or scope) for base in node.bases]
            pending.extend(base for base in bases if isinstance(base, ast.ClassDef))
        return False
