"""Which values of host code are tensors: a small abstract interpretation, statement by statement.

It follows assignments, branches, loops and calls between the candidate's own functions, and notes each
operator that works on a tensor. What it cannot tell it leaves alone.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from eval.rules.candidate import Candidate
from eval.rules.expressions import copied, kind_of
from eval.rules.kinds import Env, Kind, element, join, leaf, many
from eval.rules.scopes import Scope, path_of
from eval.rules.values import Values

_ROUNDS = 4
_PLAIN_ANNOTATIONS = frozenset({"int", "float", "bool", "str"})
_Handler = Callable[["_Flow", Any, Scope, Env], None]


def analysed(candidate: Candidate) -> Values:
    """Go over all code of a candidate that runs, and return what was learnt and noted.

    Raises `TooEntangledError`: that would take for ever.
    """
    flow = _Flow(candidate)
    flow.run()
    return flow.values


class _Flow:
    """One analysis of one candidate."""

    def __init__(self, candidate: Candidate) -> None:
        self.candidate = candidate
        self.values = Values(candidate)

    def run(self) -> None:
        module = self.candidate.module
        phase = self.candidate.reach.phase
        hosts = [
            scope for scope in module.scopes.values() if scope.kind == "host" and phase(scope) != "unused"
        ]
        forward = self.candidate.reach.forward()
        for scope in hosts:
            self.values.parameters[scope] = _parameters(scope, "tensor" if scope is forward else "unknown")
        for _ in range(_ROUNDS):
            self.values.changed = False
            self.values.noting = True
            self.values.locals[module.scope] = {}
            self.block(module.tree.body, module.scope, self.values.locals[module.scope])
            for scope in hosts:
                self.function(scope, noting=phase(scope) == "run")
            if not self.values.changed:
                return

    def function(self, scope: Scope, *, noting: bool) -> None:
        env = dict(self.values.parameters[scope])
        self.values.locals[scope] = env
        self.values.noting = noting
        node = scope.node
        if isinstance(node, ast.Lambda):
            self.values.returned(kind_of(self.values, node.body, scope, env), scope)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            self.block(node.body, scope, env)

    def block(self, statements: list[ast.stmt], scope: Scope, env: Env) -> None:
        for statement in statements:
            self.values.spend()
            handler = _STATEMENTS.get(statement.__class__)
            if handler is not None:
                handler(self, statement, scope, env)

    def kind(self, node: ast.expr, scope: Scope, env: Env) -> Kind:
        return kind_of(self.values, node, scope, env)

    def assign(self, node: ast.Assign, scope: Scope, env: Env) -> None:
        kind = self.kind(node.value, scope, env)
        for target in node.targets:
            self.store(target, kind, scope, env)

    def annotated(self, node: ast.AnnAssign, scope: Scope, env: Env) -> None:
        if node.value is not None:
            self.store(node.target, self.kind(node.value, scope, env), scope, env)

    def augmented(self, node: ast.AugAssign, scope: Scope, env: Env) -> None:
        value = self.kind(node.value, scope, env)
        target = self.kind(node.target, scope, env)
        self.store(node.target, self.values.combined(node, node.op, target, value), scope, env)

    def store(self, target: ast.expr, kind: Kind, scope: Scope, env: Env) -> None:
        if isinstance(target, ast.Subscript):
            self.kind(target.slice, scope, env)
            held = self.kind(target.value, scope, env)
            if held == "tensor" and leaf(kind) == "data":
                self.values.note(target, "this writes numbers read out of a tensor")
            if held != "tensor" and isinstance(target.value, ast.Name):
                env[target.value.id] = join(held, many(kind))
        else:
            self.values.store(target, kind, env)

    def branch(self, node: ast.If, scope: Scope, env: Env) -> None:
        if node in self.candidate.module.guards:
            self.block(node.orelse, scope, env)
            return
        self.kind(node.test, scope, env)
        other = copied(self.values, env)
        self.block(node.body, scope, env)
        self.block(node.orelse, scope, other)
        _merge(env, other)

    def loop(self, node: ast.For | ast.AsyncFor, scope: Scope, env: Env) -> None:
        items = self.kind(node.iter, scope, env)
        for _ in range(2):
            before = copied(self.values, env)
            self.store(node.target, element(items), scope, env)
            self.block(node.body, scope, env)
            _merge(env, before)
        self.block(node.orelse, scope, env)

    def repeat(self, node: ast.While, scope: Scope, env: Env) -> None:
        for _ in range(2):
            before = copied(self.values, env)
            self.kind(node.test, scope, env)
            self.block(node.body, scope, env)
            _merge(env, before)
        self.block(node.orelse, scope, env)

    def within(self, node: ast.With | ast.AsyncWith, scope: Scope, env: Env) -> None:
        for item in node.items:
            kind = self.kind(item.context_expr, scope, env)
            if item.optional_vars is not None:
                self.store(item.optional_vars, kind, scope, env)
        self.block(node.body, scope, env)

    def attempt(self, node: ast.Try, scope: Scope, env: Env) -> None:
        for block in (node.body, *(handler.body for handler in node.handlers), node.orelse, node.finalbody):
            self.block(block, scope, env)

    def cases(self, node: ast.Match, scope: Scope, env: Env) -> None:
        self.kind(node.subject, scope, env)
        for case in node.cases:
            self.block(case.body, scope, env)

    def give(self, node: ast.Return, scope: Scope, env: Env) -> None:
        if node.value is not None:
            self.values.returned(self.kind(node.value, scope, env), scope)

    def single(self, node: ast.stmt, scope: Scope, env: Env) -> None:
        for value in ast.iter_child_nodes(node):
            if isinstance(value, ast.expr):
                self.kind(value, scope, env)

    def define(self, node: ast.ClassDef, *_: object) -> None:
        inner = self.candidate.module.scopes.get(node)
        if inner is not None:
            self.block(node.body, inner, {})


_STATEMENTS: dict[type[ast.stmt], _Handler] = {
    ast.Assign: _Flow.assign,
    ast.AnnAssign: _Flow.annotated,
    ast.AugAssign: _Flow.augmented,
    ast.If: _Flow.branch,
    ast.For: _Flow.loop,
    ast.AsyncFor: _Flow.loop,
    ast.While: _Flow.repeat,
    ast.With: _Flow.within,
    ast.AsyncWith: _Flow.within,
    ast.Try: _Flow.attempt,
    ast.TryStar: _Flow.attempt,
    ast.Match: _Flow.cases,
    ast.Return: _Flow.give,
    ast.Expr: _Flow.single,
    ast.Assert: _Flow.single,
    ast.Raise: _Flow.single,
    ast.ClassDef: _Flow.define,
}


def _merge(env: Env, other: Env) -> None:
    for name, kind in other.items():
        env[name] = join(env[name], kind) if name in env else kind


def _parameters(scope: Scope, default: Kind) -> Env:
    arguments = getattr(scope.node, "args", None)
    if not isinstance(arguments, ast.arguments):
        return {}
    positional = [*arguments.posonlyargs, *arguments.args]
    given: dict[str, ast.expr | None] = {
        argument.arg: value
        for argument, value in zip(positional[::-1], arguments.defaults[::-1], strict=False)
    }
    given |= {
        argument.arg: value
        for argument, value in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    }
    gradients = scope.name == "backward" and scope.parent is not None and scope.parent.kind == "class"
    default = "tensor" if gradients else default
    env: Env = {
        argument.arg: _declared(argument.annotation, given.get(argument.arg), scope, default)
        for argument in (*positional, *arguments.kwonlyargs)
    }
    env |= {extra.arg: many(default) for extra in (arguments.vararg, arguments.kwarg) if extra is not None}
    return env | {name: "unknown" for name in (scope.receiver, "ctx") if name in env}


def _declared(annotation: ast.expr | None, given: ast.expr | None, scope: Scope, default: Kind) -> Kind:
    if annotation is not None:
        if path_of(annotation, scope) == "torch.Tensor":
            return "tensor"
        if isinstance(annotation, ast.Name) and annotation.id in _PLAIN_ANNOTATIONS:
            return "plain"
    return "plain" if isinstance(given, ast.Constant) and given.value is not None else default
