"""Every way through `forward` on the host, followed on the syntax tree without running anything.

It shows that two pieces of code launch and call the same, or surely do not, where the text alone says so;
where it does not, `UndecidedError` or unequal paths leave it to those that run the code.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from eval.rules.candidate import Candidate
from eval.rules.reach import MODEL
from eval.rules.scopes import Binding, Scope
from eval.stage.events import Event
from eval.stage.state import KERNEL, State, UndecidedError, short
from eval.stage.unseen import is_container, unseen_changes
from eval.stage.values import Operands, Values, repeated

_MOST_PATHS, _MOST_STEPS, _DEEPEST = 256, 20_000, 16


class Path(NamedTuple):
    """One way through: under which conditions, and what happens on it."""

    conditions: frozenset[tuple[str, bool]]
    events: tuple[Event, ...]


def host_paths(candidate: Candidate) -> tuple[Path, ...] | None:
    """Return the ways through `forward`; None where the text does not say."""
    try:
        return Functions(candidate).forward()
    except (UndecidedError, RecursionError):
        return None


class Functions:
    """The candidate's own functions, followed into each other."""

    def __init__(self, candidate: Candidate) -> None:
        self._candidate = candidate
        self._steps = self._depth = 0
        self.operands: dict[ast.expr, Operands] = {}
        """Of what was followed: most expressions are on several ways."""
        self.unseen = unseen_changes(candidate)
        self.built = False
        """What the constructor does has been followed."""
        self._model = candidate.reach.model
        self._methods: dict[str, Scope] = {}
        for child in candidate.module.inner(self._model):
            self._methods[child.name] = child

    def forward(self) -> tuple[Path, ...]:
        """Return the ways through `forward`, after `__init__`."""
        if self._model is None or self._candidate.reach.own_base(self._model) is not None:
            raise UndecidedError("a model that inherits from a class of its own")
        start = [State()]
        if "__init__" in self._methods:
            start = [state._replace(events=(), result=None) for state in self._entered("__init__", State())]
        self.built = True
        paths = [
            Path(state.conditions, state.events)
            for first in start
            for state in self._entered("forward", first)
        ]
        if not paths or len(paths) > _MOST_PATHS:
            raise UndecidedError(f"{len(paths)} ways through `forward`")
        return tuple(paths)

    def _entered(self, method: str, state: State) -> Iterator[State]:
        scope = self._methods.get(method)
        if scope is None or not isinstance(scope.node, ast.FunctionDef):
            raise UndecidedError(f"{MODEL} has no {method} of its own")
        given = [f"{method}:{place}" for place in range(len(scope.node.args.args) - 1)]
        yield from (after for after, _ in self._run(scope, ("self", *given), {}, state))

    def step(self) -> None:
        """Count, and give up on what takes too long."""
        self._steps += 1
        if self._steps > _MOST_STEPS:
            raise UndecidedError("too much code to follow")

    def is_method(self, name: str) -> bool:
        """Tell whether the model's class has a method, or property, of this name."""
        return name in self._methods

    def of_class(self, attribute: str) -> list[Binding]:
        """Return what the body of the model's class binds an attribute to."""
        return self._model.names.get(attribute, []) if self._model is not None else []

    def parameters(self, kernel: str) -> tuple[str, ...]:
        """Return the names of a kernel's parameters."""
        scope = self._candidate.module.kernels.get(kernel)
        if scope is None:
            raise UndecidedError("a launch of what is no kernel")
        node = scope.node
        arguments = node.args if isinstance(node, ast.FunctionDef) else None
        return tuple(item.arg for item in (*arguments.posonlyargs, *arguments.args)) if arguments else ()

    def call(
        self, callee: str, positional: tuple[str, ...], keywords: dict[str, str], state: State
    ) -> Iterator[tuple[State, str]]:
        """Yield what a call of the candidate's own function can return."""
        if callee.startswith("self."):
            scope = self._methods.get(callee.removeprefix("self."))
            positional = ("self", *positional)
        else:
            scope = self._top_level(callee.removeprefix("own:"))
        if scope is None or scope.kind != "host":
            raise UndecidedError(f"a call of {callee}")
        yield from self._run(scope, positional, keywords, state)

    def _top_level(self, name: str) -> Scope | None:
        scopes = self._candidate.module.inner(self._candidate.module.scope)
        found = [scope for scope in scopes if scope.name == name]
        return found[0] if len(found) == 1 and not name.startswith(KERNEL) else None

    def _run(
        self, scope: Scope, positional: Sequence[str], keywords: dict[str, str], state: State
    ) -> Iterator[tuple[State, str]]:
        node = scope.node
        if not isinstance(node, ast.FunctionDef) or node.decorator_list or self._depth > _DEEPEST:
            raise UndecidedError("a function that is not plain")
        if scope in self.unseen.scopes:
            raise UndecidedError("a change that no name shows")
        values = Values(self._candidate, scope, self)
        names = _bound(node, positional, keywords, Values(self._candidate, scope.parent or scope, self))
        self._depth += 1
        body = _Body(values, self)
        for after in body.block(node.body, state._replace(names=names, result=None)):
            result = after.result if after.result is not None else "None"
            yield after._replace(names=state.names, result=state.result), result
        self._depth -= 1


def _bound(
    node: ast.FunctionDef, positional: Sequence[str], keywords: dict[str, str], values: Values
) -> dict[str, str]:
    arguments = node.args
    if arguments.vararg or arguments.kwarg:
        raise UndecidedError("a function that takes any arguments")
    plain = [*arguments.posonlyargs, *arguments.args]
    names = dict(zip((item.arg for item in plain), positional, strict=False)) | keywords
    defaults = [*zip(reversed(plain), reversed(arguments.defaults), strict=False)]
    defaults += [
        (item, given)
        for item, given in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        if given
    ]
    for item, given in defaults:
        if item.arg not in names:
            names[item.arg] = values.default(given)
    if set(names) != {item.arg for item in (*plain, *arguments.kwonlyargs)}:
        raise UndecidedError("arguments that do not fit")
    return names


_LISTS = (ast.Dict, ast.DictComp, ast.GeneratorExp, ast.List, ast.ListComp, ast.Set, ast.SetComp)
_LEAVING = (ast.Break, ast.Continue, ast.Return)


class _Body:
    """Statements of one function."""

    def __init__(self, values: Values, functions: Functions) -> None:
        self._values, self._functions = values, functions

    def block(self, nodes: Sequence[ast.stmt], state: State) -> Iterator[State]:
        """Yield the states after a block; those that returned go on no further."""
        for place, node in enumerate(nodes):
            if state.result is not None:
                break
            states = [*self._statement(node, state)]
            if len(states) != 1:
                for after in states:
                    yield from self.block(nodes[place + 1 :], after)
                return
            state = states[0]
        yield state

    def _statement(  # noqa: C901, PLR0912 - a case for each kind
        self, node: ast.stmt, state: State
    ) -> Iterator[State]:
        self._functions.step()
        match node:
            case ast.Expr():
                yield from (after for after, _ in self._values.of(node.value, state))
            case ast.Assign():
                for after, text in self._values.of(node.value, state):
                    yield from self._assign(node.targets, node.value, text, after)
            case ast.AnnAssign(value=ast.expr() as value):
                for after, text in self._values.of(value, state):
                    yield from self._assign([node.target], value, text, after)
            case ast.AugAssign(target=ast.Name() as target):
                expression = ast.BinOp(ast.Name(target.id, ast.Load()), node.op, node.value)
                parts = ast.walk(node.value)
                if is_container(state.names.get(target.id, "")) or any(
                    isinstance(part, _LISTS) for part in parts
                ):
                    raise UndecidedError("a list that grows in place")
                for after, text in self._values.of(ast.copy_location(expression, node), state):
                    yield after.bound(target.id, text)
            case ast.Return():
                value = node.value or ast.Constant(None)
                yield from (after._replace(result=text) for after, text in self._values.of(value, state))
            case ast.If():
                for after, condition in self._values.of(node.test, state):
                    for holds, branch in after.branches(condition):
                        yield from self.block(node.body if holds else node.orelse, branch)
            case ast.For() | ast.While():
                yield from self._loop(node, state)
            case ast.With():
                for after, texts in self._values.all([item.context_expr for item in node.items], state):
                    yield from self.block(node.body, self._inside(node.items, texts, after))
            case ast.Assert():
                yield from (after for after, _ in self._values.of(node.test, state))
            case ast.Pass() | ast.Delete() | ast.AnnAssign(target=ast.Name(), value=None):
                yield state
            case ast.Raise():
                return
            case _:
                raise UndecidedError(f"a {type(node).__name__}")

    def _inside(self, items: Sequence[ast.withitem], texts: Sequence[str], state: State) -> State:
        for item, text in zip(items, texts, strict=True):
            if item.optional_vars is not None:
                state = self._assigned(item.optional_vars, item.context_expr, short(f"enter({text})"), state)
        return state

    def _assign(
        self, targets: Sequence[ast.expr], value: ast.expr, text: str, state: State
    ) -> Iterator[State]:
        for target in targets:
            state = self._assigned(target, value, text, state)
        yield state

    def _assigned(self, target: ast.expr, value: ast.expr, text: str, state: State) -> State:
        match target:
            case ast.Name(id=name):
                return state.bound(name, text)
            case ast.Attribute(value=ast.Name(id=owner), attr=name) if state.names.get(owner) == "self":
                if self._functions.built:
                    raise UndecidedError("a model that changes from call to call")
                return state.assigned(name, text)
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                form = "unpacked({},{})" if is_container(text) else "{}[{}]"
                for place, part in enumerate(parts):
                    state = self._assigned(part, value, short(form.format(text, place)), state)
                return state
            case ast.Subscript(value=base, slice=index):
                places = [self._values.plain(part, state) for part in (base, index)]
                if places[0] is None or places[1] is None or is_container(places[0]):
                    raise UndecidedError("an assignment to an item of what may be any list")
                text = short(f"{places[0]}[{places[1]}]={text}")
                event = Event("operator", "copy", text, 0, 1, target.lineno, target.col_offset)
                return state.with_event(event)
        raise UndecidedError("an assignment to what is not a name")

    def _loop(self, node: ast.For | ast.While, state: State) -> Iterator[State]:
        inner = list(ast.walk(node))
        if node.orelse or any(isinstance(part, _LEAVING) or self._is_unfollowed(part) for part in inner):
            raise UndecidedError("a loop that is left, or changes more than variables")
        head = node.iter if isinstance(node, ast.For) else node.test
        names = [part for part in inner if isinstance(part, ast.Name)]
        changed = {name.id for name in names if isinstance(name.ctx, ast.Store)}
        for after, text in self._values.of(head, state):
            read = sorted(
                (name, after.names[name]) for name in {part.id for part in names} & after.names.keys()
            )
            kept = sorted(after.attributes.items()) if "self" in after.names.values() else []
            digest = short(f"{text} {ast.dump(node)} {read} {kept}")
            inside = after
            for variable in changed:
                inside = inside.bound(variable, f"{variable} in {digest}")
            seen: dict[Event, None] = {}
            for last in self.block(node.body, inside):
                seen |= dict.fromkeys(repeated(last, len(after.events), digest))
            yield inside._replace(events=(*after.events, *seen))

    def _is_unfollowed(self, part: ast.AST) -> bool:
        """Tell whether a part of a loop is an own function, or an assignment to what is no variable."""
        stored = isinstance(part, ast.Attribute | ast.Subscript) and isinstance(part.ctx, ast.Store)
        return stored or (isinstance(part, ast.Call) and self._values.calls.is_own(part.func))
