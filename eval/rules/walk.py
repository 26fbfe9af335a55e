"""One walk over a candidate's tree that collects everything the rules look at.

What Python never runs is left out: the body of the main guard, of `get_inputs` and `get_init_inputs`
(each has a rule of its own), of ``if False``, and statements after a `return`.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from typing import Any

from eval.rules.module import SPEC_FUNCTIONS, Chain, Module
from eval.rules.scopes import (
    Binding,
    FunctionNode,
    Scope,
    ScopeKind,
    builtin_called,
    getattr_parts,
    own_definition,
    path_of,
)
from eval.rules.source import MAX_DEPTH
from eval.rules.syntax import is_main_guard, is_static, live, registered, unpacked

JIT = "triton.jit"
KERNEL_DECORATORS = (JIT, "triton.autotune", "triton.heuristics")
_SKIPPED_FIELDS = frozenset({
    "arg", "asname", "attr", "conversion", "ctx", "id", "is_async", "kind", "kwd_attrs", "level", "names",
    "op", "ops", "simple", "type_comment", "type_ignores",
})  # fmt: skip
_BLOCKS = frozenset({"body", "orelse", "finalbody"})


class TooDeepError(Exception):
    """The tree is nested deeper than the rules go."""


def collect(code: str, tree: ast.Module) -> Module:
    """Walk over a tree once; raises `TooDeepError` where it is nested beyond `MAX_DEPTH`."""
    module = Module(code, tree)
    _Walker(module).run()
    module.resolve()
    return module


class _Walker:
    def __init__(self, module: Module) -> None:
        self.module = module
        self.stack: list[tuple[ast.AST | None, Scope, int]] = []
        self.called: set[int] = set()
        self.spec_functions = {
            node for node in module.tree.body if getattr(node, "name", "") in SPEC_FUNCTIONS
        }
        """Each has a rule of its name, which looks at the top level."""

    def run(self) -> None:
        found = self.module.found
        self.push_fields(self.module.tree, self.module.scope, 0)
        while self.stack:
            node, scope, depth = self.stack.pop()
            if node is None:
                continue
            if depth > MAX_DEPTH:
                raise TooDeepError
            kind = node.__class__
            if kind not in _NOT_LISTED:
                found.setdefault(kind, []).append((node, scope))
            handler = _HANDLERS.get(kind)
            if handler is None:
                self.push_fields(node, scope, depth)
            else:
                handler(self, node, scope, depth)

    def push(self, nodes: Iterable[ast.AST | None], scope: Scope, depth: int) -> None:
        self.stack.extend([(node, scope, depth + 1) for node in nodes][::-1])

    def push_fields(self, node: ast.AST, scope: Scope, depth: int) -> None:
        stack, depth = self.stack, depth + 1
        for field in _fields_backwards(node.__class__):
            value = getattr(node, field, None)
            if value.__class__ is list:
                children = live(value) if field in _BLOCKS else value
                stack.extend([(child, scope, depth) for child in reversed(children)])
            elif isinstance(value, ast.AST):
                stack.append((value, scope, depth))

    def name(self, node: ast.Name, scope: Scope, _depth: int) -> None:
        if isinstance(node.ctx, ast.Load):
            scope.used.add(node.id)
            self.module.chains.append(Chain(node, node, (), scope, called=id(node) in self.called))
        else:
            scope.bind(node.id, None)

    def attribute(self, node: ast.expr, scope: Scope, depth: int) -> None:
        attributes: list[str] = []
        base: ast.expr = node
        while True:
            if isinstance(base, ast.Attribute):
                attributes.append(base.attr)
                base = base.value
                continue
            parts = getattr_parts(base)
            if parts is None:
                break
            self.push(base.args[2:] if isinstance(base, ast.Call) else (), scope, depth)
            base, name = parts
            attributes.append(name)
        attributes.reverse()
        scope.used.update(attributes)
        chain = Chain(node, base, tuple(attributes), scope, called=id(node) in self.called)
        self.module.chains.append(chain)
        if isinstance(base, ast.Name):
            scope.used.add(base.id)
        else:
            self.push([base], scope, depth)

    def call(self, node: ast.Call, scope: Scope, depth: int) -> None:
        if getattr_parts(node) is not None:
            self.attribute(node, scope, depth)
            return
        self.called.add(id(node.func))
        self.note_class(node.func, scope)
        found = registered(node)
        if found is not None and _is_receiver(found.target, scope):
            self.module.self_values.setdefault(found.name, []).append((found.value, scope))
        self.push_fields(node, scope, depth)

    def function(self, node: FunctionNode, scope: Scope, depth: int) -> None:
        arguments = node.args
        parameters = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        parameters += [extra for extra in (arguments.vararg, arguments.kwarg) if extra is not None]
        outside: list[ast.AST | None] = [*arguments.defaults, *arguments.kw_defaults]
        outside += [parameter.annotation for parameter in parameters]
        kind: ScopeKind = "host"
        if not isinstance(node, ast.Lambda):
            scope.bind(node.name, node)
            outside += [*node.decorator_list, node.returns]
            kind = "kernel" if self.is_kernel(node, scope) else "host"
        self.push(outside, scope, depth)
        if node in self.spec_functions:
            return
        inner = Scope(node, kind if scope.kind != "kernel" else "kernel", scope)
        self.module.add(inner)
        if kind == "kernel":
            self.module.kernels[inner.name] = inner
        for parameter in parameters:
            inner.bind(parameter.arg, None)
        if scope.kind == "class" and parameters and not is_static(node):
            inner.receiver = parameters[0].arg
        body = [node.body] if isinstance(node, ast.Lambda) else live(node.body)
        self.push(body, inner, depth)

    def is_kernel(self, node: ast.FunctionDef | ast.AsyncFunctionDef, scope: Scope) -> bool:
        if isinstance(node, ast.AsyncFunctionDef):
            return False
        targets = (item.func if isinstance(item, ast.Call) else item for item in node.decorator_list)
        return any(path_of(target, scope) == JIT for target in targets)

    def class_(self, node: ast.ClassDef, scope: Scope, depth: int) -> None:
        scope.bind(node.name, node)
        outside = [*node.decorator_list, *node.bases, *(keyword.value for keyword in node.keywords)]
        self.push(outside, scope, depth)
        inner = Scope(node, "class" if scope.kind != "kernel" else "kernel", scope)
        self.module.add(inner)
        self.push(live(node.body), inner, depth)

    def import_(self, node: ast.Import, scope: Scope, _depth: int) -> None:
        for alias in node.names:
            if alias.asname is not None:
                scope.bind(alias.asname, alias.name)
            else:
                root = alias.name.split(".")[0]
                scope.bind(root, root)

    def import_from(self, node: ast.ImportFrom, scope: Scope, _depth: int) -> None:
        source = "." * node.level + (node.module or "")
        for alias in node.names:
            scope.bind(alias.asname or alias.name, f"{source}.{alias.name}")

    @staticmethod
    def note_class(node: ast.expr, scope: Scope) -> None:
        """Take ``type(value)`` that is called or kept for a use of every constructor."""
        if builtin_called(node, scope) == "type":
            scope.used.add("__init__")

    def assign(self, node: ast.Assign, scope: Scope, depth: int) -> None:
        self.note_class(node.value, scope)
        kernel = self.jit_call(node.value, scope)
        for target in node.targets:
            self.bind_target(target, kernel or node.value, scope, depth)
            inner = self.module.scopes.get(kernel) if kernel is not None else None
            if inner is not None and isinstance(target, ast.Name):
                inner.kind = "kernel"
                self.module.kernels[target.id] = inner
        self.push([node.value], scope, depth)

    def annotated(self, node: ast.AnnAssign, scope: Scope, depth: int) -> None:
        self.bind_target(node.target, node.value, scope, depth)
        self.push([node.annotation, node.value], scope, depth)

    def walrus(self, node: ast.NamedExpr, scope: Scope, depth: int) -> None:
        self.bind_target(node.target, node.value, scope, depth)
        self.push([node.value], scope, depth)

    def augmented(self, node: ast.AugAssign, scope: Scope, depth: int) -> None:
        if isinstance(node.target, ast.Name):
            scope.used.add(node.target.id)
        self.push([node.target, node.value], scope, depth)

    def bind_target(self, target: ast.expr, value: ast.AST | None, scope: Scope, depth: int) -> None:
        if isinstance(target, ast.Name):
            scope.bind(target.id, value if value is None else self.known(value, scope))
        elif isinstance(target, ast.Tuple | ast.List):
            for part, expression in zip(target.elts, unpacked(value, target), strict=True):
                self.bind_target(part, expression, scope, depth)
        elif isinstance(target, ast.Starred):
            self.bind_target(target.value, None, scope, depth)
        else:
            self.push([target], scope, depth)
            if isinstance(target, ast.Attribute) and _is_receiver(target.value, scope):
                expression = value if isinstance(value, ast.expr) else None
                self.module.self_values.setdefault(target.attr, []).append((expression, scope))

    def known(self, value: ast.AST, scope: Scope) -> Binding:
        """Return what an expression stands for where that is known already, so that aliases stay short."""
        return path_of(value, scope) or own_definition(value, scope) or value

    def jit_call(self, value: ast.AST, scope: Scope) -> ast.FunctionDef | None:
        """Return the function in ``triton.jit(function)`` or ``triton.autotune(...)(function)``."""
        if not isinstance(value, ast.Call) or len(value.args) != 1:
            return None
        maker = value.func.func if isinstance(value.func, ast.Call) else value.func
        if path_of(maker, scope) not in KERNEL_DECORATORS:
            return None
        own = own_definition(value.args[0], scope)
        return own if isinstance(own, ast.FunctionDef) else self.jit_call(value.args[0], scope)

    def if_(self, node: ast.If, scope: Scope, depth: int) -> None:
        if scope.kind == "module" and is_main_guard(node.test):
            self.module.guards.append(node)
            self.push(live(node.orelse), scope, depth)
        elif isinstance(node.test, ast.Constant):
            self.push(live(node.body if node.test.value else node.orelse), scope, depth)
        else:
            self.push_fields(node, scope, depth)

    def while_(self, node: ast.While, scope: Scope, depth: int) -> None:
        if isinstance(node.test, ast.Constant) and not node.test.value:
            self.push(live(node.orelse), scope, depth)
        else:
            self.push_fields(node, scope, depth)

    def expression(self, node: ast.Expr, scope: Scope, depth: int) -> None:
        if not isinstance(node.value, ast.Constant):
            self.push([node.value], scope, depth)

    def declared(self, node: ast.Global, scope: Scope, _depth: int) -> None:
        scope.module_names.update(node.names)

    def attempt(self, node: ast.Try | ast.TryStar, scope: Scope, depth: int) -> None:
        self.module.attempts.update(dict.fromkeys(node.handlers, node))
        self.push_fields(node, scope, depth)

    def named(self, node: ast.ExceptHandler | ast.MatchAs | ast.MatchStar, scope: Scope, depth: int) -> None:
        if node.name is not None:
            scope.bind(node.name, None)
        self.push_fields(node, scope, depth)

    def nothing(self, node: ast.AST, scope: Scope, depth: int) -> None:
        """Leave a node without children alone."""


_Handler = Callable[[_Walker, Any, Scope, int], None]
_HANDLERS: dict[type[ast.AST], _Handler] = {
    ast.Name: _Walker.name,
    ast.Attribute: _Walker.attribute,
    ast.Call: _Walker.call,
    ast.FunctionDef: _Walker.function,
    ast.AsyncFunctionDef: _Walker.function,
    ast.Lambda: _Walker.function,
    ast.ClassDef: _Walker.class_,
    ast.Import: _Walker.import_,
    ast.ImportFrom: _Walker.import_from,
    ast.Assign: _Walker.assign,
    ast.AnnAssign: _Walker.annotated,
    ast.NamedExpr: _Walker.walrus,
    ast.AugAssign: _Walker.augmented,
    ast.If: _Walker.if_,
    ast.While: _Walker.while_,
    ast.Expr: _Walker.expression,
    ast.Global: _Walker.declared,
    ast.Try: _Walker.attempt,
    ast.TryStar: _Walker.attempt,
    ast.ExceptHandler: _Walker.named,
    ast.MatchAs: _Walker.named,
    ast.MatchStar: _Walker.named,
    ast.Constant: _Walker.nothing,
}
_NOT_LISTED = frozenset({ast.Name, ast.Attribute, ast.keyword, ast.alias, ast.arg, ast.arguments, ast.Expr})
_FIELDS: dict[type[ast.AST], tuple[str, ...]] = {}


def _fields_backwards(kind: type[ast.AST]) -> tuple[str, ...]:
    """Return the fields to look at, the last one first: what is put on a stack last comes off first."""
    if kind not in _FIELDS:
        _FIELDS[kind] = tuple(field for field in kind._fields[::-1] if field not in _SKIPPED_FIELDS)
    return _FIELDS[kind]


def _is_receiver(node: ast.expr, scope: Scope) -> bool:
    return isinstance(node, ast.Name) and scope.receiver is not None and node.id == scope.receiver
