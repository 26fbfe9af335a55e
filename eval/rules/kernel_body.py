"""Rule `kernel_escape`: a kernel holds what Triton compiles, not Python that only its interpreter runs."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from eval.records import Violation
from eval.rules.candidate import Candidate
from eval.rules.library import RULE as LIBRARY
from eval.rules.module import Chain
from eval.rules.paths import tampering
from eval.rules.report import violation
from eval.rules.scopes import Scope, builtin_called, lookup, own_definition, path_of

RULE = "kernel_escape"
_CONSTRUCTS: dict[type[ast.AST], str] = {
    ast.Lambda: "a lambda", ast.Try: "try", ast.TryStar: "try", ast.ClassDef: "a class",
    ast.Import: "an import", ast.ImportFrom: "an import", ast.Global: "global", ast.Nonlocal: "nonlocal",
    ast.Raise: "raise", ast.Delete: "del", ast.Yield: "yield", ast.YieldFrom: "yield", ast.Await: "await",
    ast.AsyncFor: "async for", ast.AsyncWith: "async with", ast.DictComp: "a dict", ast.SetComp: "a set",
    ast.GeneratorExp: "a generator", ast.FunctionDef: "a function", ast.Dict: "a dict", ast.Set: "a set",
    ast.Match: "match", ast.AsyncFunctionDef: "an async function",
}  # fmt: skip
_INTERPRETER = frozenset({
    "handle", "data", "numpy", "tolist", "append", "extend", "builder", "interpreter_builder", "fn", "tensor",
    "set_handle", "copy_", "fill_", "zero_", "storage", "untyped_storage", "data_ptr", "format",
    "format_map",
})  # fmt: skip
"""Attributes that values of the interpreter have, or Python's containers, and compiled ones do not."""
_QUESTIONS = frozenset({
    "isinstance", "issubclass", "type", "hasattr", "callable", "id", "hash", "str", "repr", "ascii", "format",
    "bytes", "bytearray", "memoryview", "iter", "next", "map", "filter", "sorted", "object",
})  # fmt: skip
"""Builtins that tell compiled values from interpreted ones, or that no compiler knows."""
_MESSAGES = frozenset({"static_assert", "static_print", "device_print", "device_assert"})
_ALLOWED_TRITON = ("triton.language", "triton.cdiv", "triton.next_power_of_2")
_COMPILED = frozenset({"triton.constexpr_function", "triton.runtime.jit.constexpr_function", "triton.jit",
                       "triton.language.constexpr_function"})  # fmt: skip
_ADVICE = "a kernel may hold only what Triton compiles"


def check(candidate: Candidate) -> Iterator[Violation]:
    """Yield what a kernel's body must not hold."""
    for node, scope in candidate.module.each(*_CONSTRUCTS):
        if scope.kind == "kernel":
            yield violation(RULE, node, f"{_CONSTRUCTS[node.__class__]} in a kernel: {_ADVICE}")
    for node, scope in candidate.module.each(ast.Subscript):
        if scope.kind == "kernel" and not isinstance(node.ctx, ast.Load):
            yield violation(RULE, node, f"an assignment to a part of a value: use tl.store; {_ADVICE}")
    for call, scope in candidate.module.each(ast.Call):
        if scope.kind == "kernel":
            yield from _call(call, scope)
        elif _is_launch(candidate, call, scope):
            yield from _given(candidate, call, scope)
    yield from _texts(candidate)
    for chain in candidate.module.chains:
        if chain.scope.kind == "kernel":
            yield from _chain(candidate, chain)


def _call(call: ast.Call, scope: Scope) -> Iterator[Violation]:
    name = builtin_called(call, scope)
    if name in _QUESTIONS:
        yield violation(RULE, call, f"`{name}` in a kernel: {_ADVICE}")
    owner: ast.expr = call.func
    while isinstance(owner, ast.Attribute | ast.Subscript | ast.Call):
        owner = owner.func if isinstance(owner, ast.Call) else owner.value
    if isinstance(owner, ast.Name) and owner is not call.func and _is_object(owner, scope):
        yield violation(RULE, call, f"a function of the object `{owner.id}` in a kernel: {_ADVICE}")


def _is_object(name: ast.Name, scope: Scope) -> bool:
    """Tell whether a name of a kernel stands for something that Python made outside of it."""
    found = lookup(name.id, scope)
    if found is None or found[1].kind == "kernel" or path_of(name, scope) is not None:
        return False
    return own_definition(name, scope) is None


def _is_launch(candidate: Candidate, call: ast.Call, scope: Scope) -> bool:
    function = call.func
    starts = isinstance(function, ast.Subscript) or getattr(function, "attr", "") == "run"
    return starts and candidate.module.kernel_of(getattr(function, "value", function), scope) is not None


def _given(candidate: Candidate, call: ast.Call, scope: Scope) -> Iterator[Violation]:
    for value in (*call.args, *(keyword.value for keyword in call.keywords)):
        own = own_definition(value, scope)
        python = isinstance(own, ast.FunctionDef) and not _compiles(candidate, own)
        if isinstance(value, ast.Lambda) or python:
            yield violation(RULE, value, "a kernel is given a Python function: decorate it with @triton.jit")


def _texts(candidate: Candidate) -> Iterator[Violation]:
    """Yield texts that are made of values in a kernel, but for messages."""
    messages = {
        id(node)
        for call, scope in candidate.module.each(ast.Call)
        if scope.kind == "kernel" and (path_of(call.func, scope) or "").rpartition(".")[2] in _MESSAGES
        for argument in call.args
        for node in ast.walk(argument)
    }
    for text, scope in candidate.module.each(ast.JoinedStr):
        if scope.kind == "kernel" and id(text) not in messages:
            yield violation(RULE, text, f"a text made of values in a kernel: {_ADVICE}")
    for sum_, scope in candidate.module.each(ast.BinOp):
        left = sum_.left
        if scope.kind == "kernel" and isinstance(left, ast.Constant) and isinstance(left.value, str | bytes):
            yield violation(RULE, sum_, f"a text made of values in a kernel: {_ADVICE}")


def _chain(candidate: Candidate, chain: Chain) -> Iterator[Violation]:
    if chain.path is not None:
        yield from _path(chain, chain.path)
        return
    for attribute in chain.attributes:
        if attribute in _INTERPRETER or attribute.startswith("_"):
            yield violation(
                RULE, chain.node, f"`.{attribute}` exists only outside of compiled kernels: {_ADVICE}"
            )
    if chain.context == "store" and chain.attributes:
        yield violation(RULE, chain.node, f"an assignment to an attribute: {_ADVICE}")
    own = own_definition(chain.base, chain.scope)
    if isinstance(own, ast.FunctionDef | ast.AsyncFunctionDef) and not _compiles(candidate, own):
        yield violation(RULE, chain.node, f"`{own.name}` is a Python function: decorate it with @triton.jit")


def _compiles(candidate: Candidate, own: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Tell whether a kernel may call this function of the file."""
    scope = candidate.module.scopes.get(own)
    return scope is None or scope.kind == "kernel" or _is_compiled(own, candidate)


def _path(chain: Chain, path: str) -> Iterator[Violation]:
    if path.startswith("torch"):
        yield violation(LIBRARY, chain.node, f"`{path}` in a kernel: compute with triton.language")
    elif tampering(path) is None and not path.startswith(_ALLOWED_TRITON) and path not in {"triton", "math"}:
        yield violation(RULE, chain.node, f"`{path}` in a kernel: {_ADVICE}")


def _is_compiled(own: ast.FunctionDef | ast.AsyncFunctionDef, candidate: Candidate) -> bool:
    targets = (item.func if isinstance(item, ast.Call) else item for item in own.decorator_list)
    return any(path_of(target, candidate.module.scope) in _COMPILED for target in targets)
