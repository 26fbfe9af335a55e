"""What the analysis of tensors has learnt so far: kinds of variables, attributes, results, and the notes."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from eval.rules.candidate import Candidate
from eval.rules.kinds import CONTAINERS, Env, Kind, at, element, join, joined, many
from eval.rules.scopes import Binding, Scope, own_definition

_MAX_BASES = 8
_SYMBOLS: dict[type[ast.operator], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.MatMult: "@", ast.Div: "/", ast.FloorDiv: "//",
    ast.Mod: "%", ast.Pow: "**", ast.LShift: "<<", ast.RShift: ">>", ast.BitOr: "|",
    ast.BitXor: "^", ast.BitAnd: "&",
}  # fmt: skip


_BUDGET = 300_000
"""Expressions that are looked at; real candidates take some thousands, a hostile one never ends."""


class TooEntangledError(Exception):
    """The file takes more work than any real one."""


class Values:
    """The state that statements and expressions share."""

    def __init__(self, candidate: Candidate) -> None:
        self.candidate = candidate
        self.parameters: dict[Scope, Env] = {}
        self.returns: dict[Scope, Kind] = {}
        self.attributes: dict[str, Kind] = {}
        """By name, of the candidate's own objects and of autograd's context."""
        self.locals: dict[Scope, Env] = {}
        self.notes: dict[tuple[int, int], tuple[ast.AST, str]] = {}
        """What was found, by line and column."""
        self.noting = True
        self.changed = False
        self._left = _BUDGET

    def spend(self, work: int = 1) -> None:
        """Count work; raises `TooEntangledError` where there is no end of it."""
        self._left -= work
        if self._left < 0:
            raise TooEntangledError

    def note(self, node: ast.AST, what: str) -> None:
        """Note a computation on a tensor, unless this code only builds the model."""
        if self.noting:
            place = (getattr(node, "lineno", 1), getattr(node, "col_offset", 0))
            self.notes.setdefault(place, (node, f"{what}: do this in a @triton.jit kernel"))

    def store(self, target: ast.expr, kind: Kind, env: Env) -> None:
        """Learn what a target holds from now on."""
        if isinstance(target, ast.Name):
            env[target.id] = kind
        elif isinstance(target, ast.Attribute):
            self.learn_attribute(target.attr, kind)
        elif isinstance(target, ast.Tuple | ast.List):
            for position, part in enumerate(target.elts):
                whole = isinstance(part, ast.Starred)
                self.store(part, many(element(kind)) if whole else at(kind, position), env)
        elif isinstance(target, ast.Starred):
            self.store(target.value, kind, env)

    def learn_attribute(self, name: str, kind: Kind) -> None:
        """Learn what an attribute may hold."""
        old = self.attributes.get(name)
        new = kind if old is None else join(old, kind)
        if new != old:
            self.attributes[name] = new
            self.changed = True

    def returned(self, kind: Kind, scope: Scope) -> None:
        """Learn what a function may return."""
        old = self.returns.get(scope)
        new = kind if old is None else join(old, kind)
        if new != old:
            self.returns[scope] = new
            self.changed = True

    def name(self, name: str, scope: Scope, env: Env) -> Kind:
        """Return what a variable may hold, here or in an enclosing function."""
        place: Scope | None = scope
        while place is not None:
            known = env if place is scope else self.locals.get(place, {})
            if name in known:
                return known[name]
            place = place.parent
        return "unknown"

    def combined(self, node: ast.AST, operator: ast.operator, left: Kind, right: Kind) -> Kind:
        """Return the kind of a binary operation, noting one that works on a tensor."""
        if isinstance(operator, ast.MatMult) or left == "tensor" or right == "tensor":
            self.note(node, f"the operator `{_SYMBOLS[operator.__class__]}` computes on a tensor")
            return "tensor"
        if isinstance(left, CONTAINERS) or isinstance(right, CONTAINERS):
            return many(join(element(left), element(right)))
        return join(left, right)

    def called(self, callee: Scope | None, arguments: list[Kind], named: dict[str, Kind]) -> Kind:
        """Pass kinds into a function of the candidate and return what it may return."""
        given = getattr(callee.node, "args", None) if callee is not None and callee.kind == "host" else None
        if callee is None or not isinstance(given, ast.arguments):
            return "unknown"
        names = [argument.arg for argument in (*given.posonlyargs, *given.args)]
        env = self.parameters.setdefault(callee, {})
        passed = dict(zip(names, arguments, strict=False)) | named
        if given.vararg is not None and len(arguments) > len(names):
            passed[given.vararg.arg] = many(joined(arguments[len(names) :]))
        for name, kind in passed.items():
            old = env.get(name, "unknown")
            new = kind if old == "unknown" else join(old, kind)
            if new != old and name not in {callee.receiver, "ctx"}:
                env[name] = new
                self.changed = True
        return self.returns.get(callee, "unknown")

    def function(self, node: ast.expr, scope: Scope) -> Scope | None:
        """Return the candidate's function or lambda that an expression stands for."""
        scopes = self.candidate.module.scopes
        if isinstance(node, ast.Lambda):
            return scopes.get(node)
        own = own_definition(node, scope)
        if own is not None:
            return scopes.get(own)
        bound = self.candidate.values_of(node, scope) if isinstance(node, ast.Name) else []
        made = self.candidate.once(("lambda", id(bound)), lambda: _last_lambda(bound)) if bound else None
        return scopes.get(made) if made is not None else None

    def member(self, owner: ast.ClassDef, name: str) -> Scope | None:
        """Return a method of a class of the candidate, its own or inherited."""
        for _ in range(_MAX_BASES):
            scope = self.candidate.module.scopes.get(owner)
            found = [inner for inner in self.candidate.module.inner(scope) if inner.name == name]
            if found or scope is None:
                return found[-1] if found else None
            bases = [own_definition(base, scope.parent or scope) for base in owner.bases]
            inherited = next((base for base in bases if isinstance(base, ast.ClassDef)), None)
            if inherited is None:
                return None
            owner = inherited
        return None


def _last_lambda(bound: list[Binding]) -> ast.Lambda | None:
    return next((binding for binding in reversed(bound) if isinstance(binding, ast.Lambda)), None)


def is_receiver(node: ast.expr, scope: Scope) -> bool:
    """Tell whether an expression is the object of a method that this code stands in."""
    return isinstance(node, ast.Name) and any(place.receiver == node.id for place in enclosing(scope))


def enclosing(scope: Scope) -> Iterator[Scope]:
    """Yield a scope and all that it stands in."""
    place: Scope | None = scope
    while place is not None:
        yield place
        place = place.parent
