"""What can be told of a text that may be Python."""

from __future__ import annotations

import ast
import re

from eval.rules.source import tree_of

MODEL = re.compile(r"^class\s+ModelNew\b", re.MULTILINE)
CODE_START = re.compile(
    r"""\s*(?:import\s|from\s+[\w.]+\s+import\s|@\w|class\s+\w+\W|def\s+\w+\(|#|[rR]?("{3}|'{3}))"""
)
"""How a text begins that may be bare code."""
CODE_LINE = re.compile(r"^(?:import \w|from [\w.]+ import|def \w+\(|class \w+|@\w)", re.MULTILINE)
_MAX_PARSED_CHARS = 256 * 1024


def parsed(code: str) -> ast.Module | None:
    """Return the tree of a text, or None where it is not Python or too long to be a candidate."""
    if len(code) > _MAX_PARSED_CHARS:
        return None
    try:
        return tree_of(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def defines_model(tree: ast.Module) -> bool:
    """Tell whether ModelNew is a class at the top level, and not part of a string."""
    return any(isinstance(node, ast.ClassDef) and node.name == "ModelNew" for node in tree.body)
