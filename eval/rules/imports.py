"""Rule `imports`: the four imports of the prompt and no others, at the top of the file."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from eval.records import Violation
from eval.rules.candidate import Candidate
from eval.rules.report import violation

RULE = "imports"
_ALLOWED = frozenset({
    ("torch", "torch"), ("torch.nn", "nn"), ("torch.nn", "torch"), ("triton", "triton"),
    ("triton.language", "tl"),
})  # fmt: skip
"""Imported module and the name that it is bound to."""
_ADVICE = "import only torch, torch.nn as nn, triton and triton.language as tl"


def check(candidate: Candidate) -> Iterator[Violation]:
    """Yield a violation for each other import, and for each that stands inside something."""
    for node, scope in candidate.module.each(ast.Import, ast.ImportFrom):
        for shown, module, bound in _imported(node):
            if (module, bound) not in _ALLOWED:
                yield violation(RULE, node, f"`{shown}` is not allowed: {_ADVICE}")
            elif scope.kind != "module":
                yield violation(RULE, node, f"`{shown}` stands inside a function or class: import at the top")


def _imported(node: ast.AST) -> Iterator[tuple[str, str, str]]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            tail = f" as {alias.asname}" if alias.asname else ""
            yield f"import {alias.name}{tail}", alias.name, alias.asname or alias.name.split(".")[0]
    elif isinstance(node, ast.ImportFrom):
        source = "." * node.level + (node.module or "")
        for alias in node.names:
            tail = f" as {alias.asname}" if alias.asname else ""
            yield (
                f"from {source} import {alias.name}{tail}",
                f"{source}.{alias.name}",
                alias.asname or alias.name,
            )
