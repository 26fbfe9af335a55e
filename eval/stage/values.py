"""Expressions of host code, followed without running: each gives a text over the inputs, and events."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from eval.rules.scopes import own_definition, path_of
from eval.stage.calls import Calls
from eval.stage.events import ANY_NUMBER, Event
from eval.stage.state import KERNEL, State, UndecidedError, Valued, comparison, short
from eval.stage.unseen import is_container

if TYPE_CHECKING:
    from eval.rules.candidate import Candidate
    from eval.rules.scopes import Scope
    from eval.stage.paths import Functions

_OPERATORS = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
    ast.Is: "is", ast.IsNot: "is not", ast.In: "in", ast.NotIn: "not in",
}  # fmt: skip


_LEAVES = frozenset({ast.Constant, ast.Name})
_PLAIN = frozenset({
    ast.Attribute, ast.BinOp, ast.BoolOp, ast.Compare, ast.Dict, ast.FormattedValue, ast.JoinedStr, ast.List,
    ast.Set, ast.Slice, ast.Subscript, ast.Tuple, ast.UnaryOp,
})  # fmt: skip
"""Expressions that have one value and leave the state as it is, where those within them do."""


_LASTING = (ast.Attribute, ast.Constant, ast.Name, ast.Tuple, ast.UnaryOp, ast.expr_context, ast.unaryop)
"""What defaults of parameters are made of that are as they were when the function was defined."""


class Operands(NamedTuple):
    """The parts of an expression that are evaluated, in order, and what is known of them."""

    nodes: tuple[ast.expr, ...]
    names: tuple[str, ...] = ()
    """Of keywords, the last ones."""
    unpacked: bool = False
    """One of them has a star."""
    label: str = ""
    """What the expression is, where it is no call."""
    plain: bool = False
    """They have one value each and leave the state as it is."""


class Values:
    """Evaluates expressions in one scope; `functions` follows calls into the candidate's own functions."""

    def __init__(self, candidate: Candidate, scope: Scope, functions: Functions) -> None:
        self._candidate, self._scope, self._functions = candidate, scope, functions
        self._known = functions.operands

    @property
    def calls(self) -> Calls:
        """What follows calls in this scope, made anew each time: held, it would be a ring."""
        return Calls(self, self._candidate, self._scope, self._functions)

    def of(self, node: ast.expr, state: State) -> Valued:
        """Yield each value that an expression can have, with the state after it."""
        plain = self.plain(node, state)
        if plain is not None:
            yield state, plain
            return
        self._functions.step()
        match node:
            case ast.Call():
                yield from self.calls.of(node, state)
            case ast.IfExp():
                for after, condition in self.of(node.test, state):
                    for value, branch in after.branches(condition):
                        yield from self.of(node.body if value else node.orelse, branch)
            case ast.Lambda():
                yield state, self._lambda(node, state)
            case ast.NamedExpr(target=ast.Name(id=name)):
                yield from ((after.bound(name, text), text) for after, text in self.of(node.value, state))
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                yield state, self._comprehension(node, state)
            case _:
                yield from self._composed(node, state)

    def all(self, nodes: Sequence[ast.expr], state: State) -> Iterator[tuple[State, tuple[str, ...]]]:
        """Yield the values of several expressions, evaluated one after another."""
        texts: list[str] = []
        for place, node in enumerate(nodes):
            plain = self.plain(node, state)
            if plain is None:
                for after, text in self.of(node, state):
                    for last, rest in self.all(nodes[place + 1 :], after):
                        yield last, (*texts, text, *rest)
                return
            texts.append(plain)
        yield state, tuple(texts)

    def plain(self, node: ast.expr, state: State) -> str | None:
        """Return the value of a plain expression, None for any other."""
        return self._text(node, state) if self._is_plain(node) else None

    def _is_plain(self, node: ast.expr) -> bool:
        kind = node.__class__
        return kind in _LEAVES or (kind in _PLAIN and self.operands(node).plain)

    def _text(self, node: ast.expr, state: State) -> str:
        self._functions.step()
        if isinstance(node, ast.Constant):
            return repr(node.value)
        if isinstance(node, ast.Name):
            return self._name(node, state)
        path = self.path(node, state)
        if path is not None:
            return path
        parts = self.operands(node)
        return self._combined(node, parts, [self._text(part, state) for part in parts.nodes], state)

    def _name(self, node: ast.Name, state: State) -> str:
        if node.id in state.names:
            return state.names[node.id]
        if len(self._candidate.values_of(node, self._scope)) > 1:
            raise UndecidedError("a name that is bound more than once")
        if own_definition(node, self._scope) is not None:
            kernel = self._candidate.module.kernel_of(node, self._scope)
            if kernel is None:
                raise UndecidedError("an own function that is handed on")
            return f"{KERNEL}{kernel.name}"
        path = path_of(node, self._scope)
        if path is not None:
            return path
        bound = self._candidate.values_of(node, self._scope)
        if len(bound) == 1 and isinstance(bound[0], ast.expr):
            return self._alone(bound[0])
        return f"name:{node.id}"

    def _alone(self, node: ast.expr) -> str:
        """Return the value of an expression of the module or a class, which any function may read."""
        values = list(self.of(node, State()))
        if len(values) != 1 or (self._functions.unseen.anywhere and is_container(values[0][1])):
            raise UndecidedError("a value from outside that may be another one by now")
        return values[0][1]

    def _attribute(self, base: str, name: str, state: State) -> str:
        if base == "self" and name in state.attributes:
            return state.attributes[name]
        if base.startswith(KERNEL) or (base == "self" and self._functions.is_method(name)):
            raise UndecidedError("a kernel or a method that is handed on")
        bound = self._functions.of_class(name) if base == "self" else []
        if len(bound) > 1:
            raise UndecidedError("an attribute that may be any")
        match bound:
            case [ast.expr() as value]:
                return self._alone(value)
        return short(f"{base}.{name}")

    def path(self, node: ast.expr, state: State) -> str | None:
        """Return the imported path that an attribute spells, unless a variable has the name of its base."""
        if not isinstance(node, ast.Attribute):
            return None
        base: ast.expr = node
        while isinstance(base, ast.Attribute):
            base = base.value
        if isinstance(base, ast.Name):
            if base.id in state.names:
                return None
            if len(self._candidate.values_of(base, self._scope)) > 1:
                raise UndecidedError("a name that is bound more than once")
        return path_of(node, self._scope)

    def _composed(self, node: ast.expr, state: State) -> Valued:
        """Every other expression: its parts in order; what may be skipped happens at least never."""
        path = self.path(node, state)
        if path is not None:
            yield state, path
            return
        parts = self.operands(node)
        for after, texts in self.all(parts.nodes, state):
            last = after
            if isinstance(node, ast.BoolOp) or (isinstance(node, ast.Compare) and len(node.ops) > 1):
                if after[:2] != state[:2]:
                    raise UndecidedError("an assignment that may be skipped")
                last = _maybe(after, len(state.events))
            yield last, self._combined(node, parts, texts, last)

    def _combined(self, node: ast.expr, parts: Operands, texts: Sequence[str], state: State) -> str:
        """Return the value of an expression from those of its parts, and the state after them."""
        if "self" in texts and not isinstance(node, ast.Attribute):
            raise UndecidedError("the model that is handed on")
        match node:
            case ast.Attribute(attr=name):
                return self._attribute(texts[0], name, state)
            case ast.Subscript():
                if any(map(is_container, texts[1:])):
                    raise UndecidedError("a choice of items by a list")
                return short(f"{texts[0]}[{','.join(texts[1:])}]")
            case ast.Compare(ops=[operator]):
                return comparison(texts[0], _OPERATORS[type(operator)], texts[1])
            case ast.UnaryOp(op=ast.Not()):
                return f"not {short(texts[0])}"
        return short(f"{parts.label}({','.join(texts)})")

    def operands(self, node: ast.expr) -> Operands:
        """Return the parts of an expression, read once for all ways that lead to it."""
        found = self._known.get(node)
        if found is None:
            found = self._known[node] = _arguments(node) if isinstance(node, ast.Call) else self._parts(node)
        return found

    def _parts(self, node: ast.expr) -> Operands:
        nodes = tuple(child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr))
        return Operands(nodes, label=_label(node), plain=all(map(self._is_plain, nodes)))

    def _lambda(self, node: ast.Lambda, state: State) -> str:
        if any(isinstance(part, ast.Lambda) for part in ast.walk(node.body)):
            raise UndecidedError("a lambda within another")
        inner, arguments = state, node.args
        for place, argument in enumerate([*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]):
            inner = inner.bound(argument.arg, f"given{place}")
        for extra in (arguments.vararg, arguments.kwarg):
            inner = inner.bound(extra.arg, "given*") if extra is not None else inner
        given = [value for value in (*arguments.defaults, *arguments.kw_defaults) if value is not None]
        defaults = ",".join(self._quiet(value, state) for value in given)
        return short(f"lambda({defaults}): {self._quiet(node.body, inner)}")

    def default(self, node: ast.expr) -> str:
        """Return a default of a parameter, evaluated where the function is defined."""
        if any(not isinstance(part, _LASTING) for part in ast.walk(node)):
            raise UndecidedError("a default that may change")
        return self._alone(node)

    def _comprehension(
        self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp, state: State
    ) -> str:
        inner, heads = state, []
        for place, generator in enumerate(node.generators):
            heads.append(f"for {ast.dump(generator.target)} in {self._quiet(generator.iter, inner)}")
            if not _is_plain_target(generator.target):
                raise UndecidedError("a comprehension that assigns to what is no name")
            for name in _target_names(generator.target):
                inner = inner.bound(name, f"each{place}:{name}")
            heads += [f"if {self._quiet(test, inner)}" for test in generator.ifs]
        parts = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        given = ",".join(self._quiet(part, inner) for part in parts)
        return short(f"[{type(node).__name__} {given} {' '.join(heads)}]")

    def _quiet(self, node: ast.expr, state: State) -> str:
        values = list(self.of(node, state))
        if any(after.events != state.events or after.names != state.names for after, _ in values):
            raise UndecidedError("an operator, a launch or an assignment within a lambda or comprehension")
        if len(values) != 1:
            raise UndecidedError("a condition within a lambda or comprehension")
        return values[0][1]


def _label(node: ast.expr) -> str:
    """Return what an expression is but for its parts: its kind, its operators, and which parts there are."""
    operators = [node.op] if hasattr(node, "op") else getattr(node, "ops", [])
    label = type(node).__name__ + ",".join(type(operator).__name__ for operator in operators)
    match node:
        case ast.Slice():
            return label + "".join(name[0] for name in ("lower", "upper", "step") if getattr(node, name))
        case ast.FormattedValue():
            return f"{label}{node.conversion}"
        case ast.Dict():
            return label + "".join(":" if key is not None else "*" for key in node.keys)
    return label


def _arguments(node: ast.Call) -> Operands:
    names = tuple(keyword.arg or "" for keyword in node.keywords)
    unpacked = "" in names or any(isinstance(argument, ast.Starred) for argument in node.args)
    return Operands((*node.args, *(keyword.value for keyword in node.keywords)), names, unpacked)


def _maybe(state: State, before: int) -> State:
    happened = tuple(event._replace(least=0) for event in state.events[before:])
    return state._replace(events=(*state.events[:before], *happened))


def repeated(state: State, before: int, how: str) -> tuple[Event, ...]:
    """Return the events since `before` as those of a loop: never, once, or any number of times."""
    return tuple(
        event._replace(least=0, most=ANY_NUMBER, text=short(f"{event.text} {how}"))
        for event in state.events[before:]
    )


def _is_plain_target(target: ast.expr) -> bool:
    return all(
        isinstance(part, ast.Name | ast.Tuple | ast.List | ast.expr_context) for part in ast.walk(target)
    )


def _target_names(target: ast.expr) -> list[str]:
    return [node.id for node in ast.walk(target) if isinstance(node, ast.Name)]
