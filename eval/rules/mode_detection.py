"""Rule `mode_detection`: the same work in every mode, whoever watches."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from eval.records import Violation
from eval.rules.candidate import Candidate
from eval.rules.library import is_function_of_triton
from eval.rules.paths import MODE
from eval.rules.report import violation
from eval.rules.scopes import Scope, builtin_called, path_of

RULE = MODE.rule
_QUESTIONS = frozenset(
    {"type", "isinstance", "hasattr", "getattr", "id", "callable", "repr", "str", "issubclass"}
)
_WORDS = (
    "TRITON_INTERPRET",
    "TRITON_",
    "TORCHINDUCTOR",
    "CUDA_LAUNCH_BLOCKING",
    "CUDA_VISIBLE_DEVICES",
    "PYTEST_",
)
_OF_A_KERNEL = frozenset({"run", "warmup", "best_config", "configs", "arg_names"})
_DEVICE_TYPES = frozenset({"meta", "fake"})
_TELLING = frozenset({"type", "isinstance", "hasattr", "id", "callable", "repr", "str", "issubclass"})


def check(candidate: Candidate) -> Iterator[Violation]:
    """Yield questions about how the code is being run; paths and attributes are in `paths`."""
    for node, scope in candidate.module.each(ast.Constant):
        if isinstance(node.value, str) and node.value.startswith(_WORDS) and scope.kind != "kernel":
            yield violation(RULE, node, f"{node.value!r}: {MODE.advice}")
    for test, _ in candidate.module.each(ast.Compare):
        sides = (test.left, *test.comparators)
        if any(isinstance(side, ast.Constant) and side.value in _DEVICE_TYPES for side in sides):
            yield violation(RULE, test, f"this asks for a mode of torch: {MODE.advice}")
    for chain in candidate.module.chains:
        if not chain.attributes or chain.attributes[0] in _OF_A_KERNEL or chain.scope.kind == "kernel":
            continue
        kernel = candidate.module.kernel_of(chain.base, chain.scope)
        if kernel is not None:
            yield violation(
                RULE, chain.node, f"`.{chain.attributes[0]}` of kernel `{kernel.name}`: {MODE.advice}"
            )
    yield from _questions(candidate)
    yield from _language(candidate)


def _language(candidate: Candidate) -> Iterator[Violation]:
    """Yield questions what functions of Triton are: in its interpreter they are others."""
    asked: list[tuple[ast.expr, Scope]] = [
        (call.args[0], scope)
        for call, scope in candidate.module.each(ast.Call)
        if call.args and builtin_called(call, scope) in _TELLING
    ]
    asked += [(part.value, scope) for part, scope in candidate.module.each(ast.FormattedValue)]
    for node, scope in asked:
        path = path_of(node, scope)
        if path is not None and is_function_of_triton(path):
            yield violation(RULE, node, f"this asks what `{path}` is: {MODE.advice}")
    for chain in candidate.module.chains:
        if chain.path is None or not chain.attributes:
            continue
        owner = chain.path.rpartition(".")[0]
        if is_function_of_triton(owner) and not owner.startswith("triton.runtime."):
            yield violation(RULE, chain.node, f"this asks what `{owner}` is: {MODE.advice}")


def _questions(candidate: Candidate) -> Iterator[Violation]:
    asked: list[tuple[ast.expr, Scope]] = []
    for call, scope in candidate.module.each(ast.Call):
        formats = isinstance(call.func, ast.Attribute) and call.func.attr == "format"
        if formats or builtin_called(call, scope) in _QUESTIONS:
            asked += [(argument, scope) for argument in call.args]
    asked += [(part.value, scope) for part, scope in candidate.module.each(ast.FormattedValue)]
    for test, scope in candidate.module.each(ast.Compare):
        asked += [(side, scope) for side in (test.left, *test.comparators)]
    for text, scope in candidate.module.each(ast.BinOp):
        right = text.right.elts if isinstance(text.right, ast.Tuple) else [text.right]
        asked += [(side, scope) for side in (text.left, *right)]
    for node, scope in asked:
        kernel = candidate.module.kernel_of(node, scope) if scope.kind != "kernel" else None
        if kernel is not None:
            yield violation(RULE, node, f"this asks what kernel `{kernel.name}` is: {MODE.advice}")
