"""Rule `mode_detection`: the same work in every mode, whoever watches."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from eval.records import Violation
from eval.rules.candidate import Candidate
from eval.rules.paths import MODE
from eval.rules.report import violation
from eval.rules.scopes import builtin_called

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
_DEVICE_TYPES = frozenset({"meta", "fake"})


def check(candidate: Candidate) -> Iterator[Violation]:
    """Yield questions about how the code is being run; paths and attributes are in `paths`."""
    for node, scope in candidate.module.each(ast.Constant):
        if isinstance(node.value, str) and node.value.startswith(_WORDS) and scope.kind != "kernel":
            yield violation(RULE, node, f"{node.value!r}: {MODE.advice}")
    for test, _ in candidate.module.each(ast.Compare):
        sides = (test.left, *test.comparators)
        if any(isinstance(side, ast.Constant) and side.value in _DEVICE_TYPES for side in sides):
            yield violation(RULE, test, f"this asks for a mode of torch: {MODE.advice}")
    for call, scope in candidate.module.each(ast.Call):
        if call.args and builtin_called(call, scope) in _QUESTIONS:
            kernel = candidate.module.kernel_of(call.args[0], scope)
            if kernel is not None:
                yield violation(RULE, call, f"this asks what kernel `{kernel.name}` is: {MODE.advice}")
