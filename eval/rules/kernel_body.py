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
from eval.rules.scopes import own_definition, path_of

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
    "set_handle", "copy_", "fill_", "zero_", "storage", "untyped_storage", "data_ptr",
})  # fmt: skip
"""Attributes that values of the interpreter have, or Python's containers, and compiled ones do not."""
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
    for chain in candidate.module.chains:
        if chain.scope.kind == "kernel":
            yield from _chain(candidate, chain)


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
    if isinstance(own, ast.FunctionDef | ast.AsyncFunctionDef):
        scope = candidate.module.scopes.get(own)
        if scope is not None and scope.kind != "kernel" and not _is_compiled(own, candidate):
            yield violation(
                RULE, chain.node, f"`{own.name}` is a Python function: decorate it with @triton.jit"
            )


def _path(chain: Chain, path: str) -> Iterator[Violation]:
    if path.startswith("torch"):
        yield violation(LIBRARY, chain.node, f"`{path}` in a kernel: compute with triton.language")
    elif tampering(path) is None and not path.startswith(_ALLOWED_TRITON) and path not in {"triton", "math"}:
        yield violation(RULE, chain.node, f"`{path}` in a kernel: {_ADVICE}")


def _is_compiled(own: ast.FunctionDef | ast.AsyncFunctionDef, candidate: Candidate) -> bool:
    targets = (item.func if isinstance(item, ast.Call) else item for item in own.decorator_list)
    return any(path_of(target, candidate.module.scope) in _COMPILED for target in targets)
