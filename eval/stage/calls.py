"""Calls and launches in host code: what they do, and what they return."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from eval.rules.scopes import own_definition
from eval.stage.events import Event, function_event, method_event
from eval.stage.state import KERNEL, State, UndecidedError, Valued, short

if TYPE_CHECKING:
    from eval.rules.candidate import Candidate
    from eval.rules.scopes import Scope
    from eval.stage.paths import Functions
    from eval.stage.values import Values

_METADATA = {"dim": "ndim", "ndimension": "ndim", "nelement": "numel()", "numel": "numel()"}
_OWN = ("own:", "self.")
_READING = frozenset({"item", "tolist"})
_NUMBERS = frozenset({"name:bool", "name:float", "name:int"})
_CALLING = frozenset({"name:filter", "name:map", "name:super"})
"""Builtins that call what they are given, or what stands above; others are given it as a key."""


class Calls:
    """Follows the calls in one scope; `values` evaluates what is called and what is handed in."""

    def __init__(self, values: Values, candidate: Candidate, scope: Scope, functions: Functions) -> None:
        self._values, self._candidate = values, candidate
        self._scope, self._functions = scope, functions

    def of(self, node: ast.Call, state: State) -> Valued:
        """Yield what a call can return, with the state after it."""
        given = self._values.operands(node)
        if _constructs_above(node):
            yield state, "None"
            return
        if given.unpacked:
            own = isinstance(node.func, ast.Name) and own_definition(node.func, self._scope) is not None
            if own or isinstance(node.func, ast.Subscript):
                raise UndecidedError("arguments that are unpacked")
        if isinstance(node.func, ast.Subscript):
            yield from self._launch(node, node.func, state)
            return
        for called, callee in self._callee(node.func, state):
            for after, texts in self._values.all(given.nodes, called):
                yield from self._called(node, callee, texts, after)

    def _called(self, node: ast.Call, callee: str, texts: tuple[str, ...], state: State) -> Valued:
        positional, named = texts[: len(node.args)], texts[len(node.args) :]
        names = self._values.operands(node).names
        if callee.startswith((*_OWN, KERNEL)):
            keywords = dict(zip(names, named, strict=True))
            yield from self._functions.call(callee, positional, keywords, state)
            return
        handed_on = "self" in texts
        if named:
            labelled = (f"{name or None}={text}" for name, text in zip(names, named, strict=True))
            texts = (*positional, *labelled)
        is_method = isinstance(node.func, ast.Attribute) and self._values.path(node.func, state) is None
        base, _, name = callee.rpartition(".")
        if isinstance(node.func, ast.Attribute) and is_method:
            name = node.func.attr
            base = callee.removesuffix(f".{name}")
        if handed_on or callee in _CALLING or "key" in names:
            raise UndecidedError("the model that is handed on, or a call that is not seen")
        operands = short(f"{base};{','.join(texts)}")
        event = method_event(name, operands) if is_method else None
        in_place = is_method and event is None and name.endswith("_") and not name.startswith("_")
        read = callee in _NUMBERS and any(text.endswith("]") and ".shape[" not in text for text in texts)
        if in_place or read or (is_method and name in _READING):
            raise UndecidedError("a tensor that is read, or changes in place")
        if callee.startswith("torch.") and not is_method:
            event = function_event(callee, operands)
        if event is not None:
            event = event._replace(line=node.lineno, column=node.col_offset)
        yield state.with_event(event), self._result(callee, base, name, texts)

    def _callee(self, node: ast.expr, state: State) -> Valued:
        """Yield what is called; a variable may hold anything, and what a call returned, too."""
        if isinstance(node, ast.Name) and node.id not in state.names:
            own = own_definition(node, self._scope)
            if own is not None and self._candidate.module.kernel_of(node, self._scope) is None:
                if len(self._candidate.values_of(node, self._scope)) > 1:
                    raise UndecidedError("a function that is defined more than once")
                return iter([(state, f"own:{own.name}")])
        elif isinstance(node, ast.Attribute):
            on_self = isinstance(node.value, ast.Name) and state.names.get(node.value.id) == "self"
            if on_self and node.attr not in state.attributes:
                return iter([(state, f"self.{node.attr}")])
        else:
            raise UndecidedError("a call of what may be any function")
        return self._values.of(node, state)

    def is_own(self, node: ast.expr) -> bool:
        """Tell whether a call of this goes on in the candidate's own code."""
        if isinstance(node, ast.Attribute):
            return self._functions.is_method(node.attr)
        own = own_definition(node, self._scope)
        return own is not None and self._candidate.module.kernel_of(node, self._scope) is None

    @staticmethod
    def _result(callee: str, base: str, name: str, texts: tuple[str, ...]) -> str:
        if base and name == "size":
            return short(f"{base}.shape[{texts[0]}]" if texts else f"{base}.shape")
        if base and name in _METADATA and not texts:
            return short(f"{base}.{_METADATA[name]}")
        return short(f"{callee}({','.join(texts)})")

    def _launch(self, node: ast.Call, target: ast.Subscript, state: State) -> Valued:
        for after, (kernel, grid) in self._values.all([target.value, target.slice], state):
            if not kernel.startswith(KERNEL):
                raise UndecidedError("a launch of what may be any kernel")
            given = self._values.operands(node)
            for last, texts in self._values.all(given.nodes, after):
                name = kernel.removeprefix(KERNEL)
                names = [*self._functions.parameters(name)[: len(node.args)], *given.names]
                options = tuple(zip(names, texts, strict=False))
                event = Event("launch", name, grid, 1, 1, node.lineno, node.col_offset, options)
                yield last.with_event(event), "None"


def _constructs_above(node: ast.Call) -> bool:
    """Tell whether this is ``super().__init__()``, in either form."""
    target = node.func
    if not isinstance(target, ast.Attribute) or target.attr != "__init__" or node.args or node.keywords:
        return False
    above = target.value
    return isinstance(above, ast.Call) and isinstance(above.func, ast.Name) and above.func.id == "super"
