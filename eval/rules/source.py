"""Parse a candidate without letting a hostile text crash or stall the checker."""

from __future__ import annotations

import ast
import platform
import warnings

from eval.records import Violation

MAX_CODE_CHARS = 128 * 1024
"""A tree takes a few hundred bytes a character at worst; real candidates have 5 to 20 thousand."""
MAX_DEPTH = 150
"""Levels of nesting; real candidates stay below 40, and rules may recurse this deep."""


def parse(code: str) -> ast.Module | Violation:
    """Return the tree, or the violation that says why there is none."""
    if len(code) > MAX_CODE_CHARS:
        return unparsable(f"the code has {len(code)} characters; at most {MAX_CODE_CHARS} are checked")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(code)
    except SyntaxError as error:
        version = platform.python_version()
        return unparsable(f"{error.msg} (Python {version})", error.lineno, (error.offset or 1) - 1)
    except (RecursionError, MemoryError):
        return unparsable("the code is nested too deeply to be parsed; flatten it")
    except ValueError as error:
        return unparsable(f"the code is not text that Python can read: {error}")


def unparsable(message: str, line: int | None = None, column: int = 0) -> Violation:
    """Build the violation of a text that has no usable tree."""
    return Violation(
        rule="syntax", track="open", severity="error", message=message, line=line or 1, column=max(column, 0)
    )
