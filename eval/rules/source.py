"""Parse a candidate without letting a hostile text crash or stall the checker."""

from __future__ import annotations

import ast
import platform
import re
import warnings
from functools import lru_cache

from eval.records import Violation

MAX_CODE_CHARS = 128 * 1024
"""A tree takes a few hundred bytes a character at worst; real candidates have 5 to 20 thousand."""
MAX_DEPTH = 150
"""Levels of nesting; real candidates stay below 40, and rules may recurse this deep."""

_MAX_BITS = 12_000
"""Of a whole number; Python writes up to 4,300 decimal digits, which are 14,284 bits."""
_MANY_DIGITS = re.compile(r"0[xXoObB][0-9a-fA-F_]{3000}")


@lru_cache(maxsize=1)
def tree_of(code: str) -> ast.Module:
    """Return the tree of a text, raising what Python's parser raises; nobody changes it.

    The last one is kept: who takes the code out of a reply looks at the same text just before the rules do.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(code)


def parse(code: str) -> ast.Module | Violation:
    """Return the tree, or the violation that says why there is none."""
    if len(code) > MAX_CODE_CHARS:
        return unparsable(f"the code has {len(code)} characters; at most {MAX_CODE_CHARS} are checked")
    try:
        tree = tree_of(code)
    except SyntaxError as error:
        version = platform.python_version()
        return unparsable(f"{error.msg} (Python {version})", error.lineno, (error.offset or 1) - 1)
    except (RecursionError, MemoryError):
        return unparsable("the code is nested too deeply to be parsed; flatten it")
    except ValueError as error:
        return unparsable(f"the code is not text that Python can read: {error}")
    return _too_long_a_number(code, tree) or tree


def _too_long_a_number(code: str, tree: ast.Module) -> Violation | None:
    """Find a number that Python reads, as all digits are hexadecimal, and cannot write again."""
    if _MANY_DIGITS.search(code) is not None:
        for node in ast.walk(tree):
            value = getattr(node, "value", None)
            if isinstance(value, int) and value.bit_length() > _MAX_BITS:
                return unparsable(f"a whole number of more than {_MAX_BITS} bits", getattr(node, "lineno", 1))
    return None


def unparsable(message: str, line: int | None = None, column: int = 0) -> Violation:
    """Build the violation of a text that has no usable tree."""
    return Violation(
        rule="syntax", track="open", severity="error", message=message, line=line or 1, column=max(column, 0)
    )
