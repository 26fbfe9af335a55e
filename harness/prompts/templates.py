"""Jinja as prompts need it: strict, no escaping, and errors with file and line."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template, TemplateError
from jinja2.exceptions import TemplateSyntaxError

from harness.data import prompts_dir
from harness.errors import UsageError
from harness.files import read_text, text_hash

MAIN = "optimize.md.j2"
EXPRESSION_ERRORS = (TemplateError, TypeError, ValueError, ArithmeticError, LookupError)
"""What an expression in a template can raise; anything else is our own bug."""


def render_main(folder: Path, /, **values: Any) -> str:
    """Render the whole prompt from the template in `folder`.

    Raises `UsageError`: the template or one of its partials fails, with its file and line.
    """
    path = folder / MAIN
    try:
        return _environment(folder).get_template(MAIN).render(**values)
    except EXPRESSION_ERRORS as error:
        raise UsageError(_explain(error, path)) from error


def render_text(text: str, first_line: int, path: Path, **values: Any) -> str:
    """Render a part of a file; `first_line` is its place there, for messages.

    Raises `UsageError`: an expression in it fails, with its file and line.
    """
    environment = _environment(prompts_dir())
    # The leading empty lines make Jinja count lines as the file does.
    offset = first_line - 1
    try:
        code = environment.compile("\n" * offset + text, name=path.name, filename=str(path))
        template = Template.from_code(environment, code, environment.make_globals(None))
        return template.render(**values)[offset:]
    except EXPRESSION_ERRORS as error:
        raise UsageError(_explain(error, path)) from error


@cache
def template_hash() -> str:
    """Return the hash of the template with its partials."""
    paths = sorted(prompts_dir().rglob("*.j2"))
    return text_hash("\n".join(f"{path.relative_to(prompts_dir())}\n{read_text(path)}" for path in paths))


@cache
def _environment(folder: Path) -> Environment:
    environment = Environment(  # noqa: S701 - prompts are no HTML
        loader=FileSystemLoader(folder),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=_number, braces=_braces, percent=_percent, fence=_fence)
    return environment


def _number(value: float) -> str:
    """``1008.0`` as ``1008``."""
    return f"{value:g}"


def _braces(values: Iterable[int]) -> str:
    """``[2, 4]`` as ``{2,4}``."""
    return "{" + ",".join(str(value) for value in values) + "}"


def _percent(fraction: float) -> str:
    """``0.01`` as ``1``."""
    return f"{100 * fraction:g}"


def _fence(code: str) -> str:
    """Return a fence that is longer than any in the code."""
    longest = max((len(ticks) for ticks in re.findall(r"^\s*(`{3,})", code, re.MULTILINE)), default=2)
    return "`" * (longest + 1)


def _explain(error: Exception, path: Path) -> str:
    if isinstance(error, TemplateSyntaxError):
        return f"{error.filename or path}, line {error.lineno}: {error.message}"
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == str(path) or frame.filename.endswith(".j2")
    ]
    place = f"{frames[-1].filename}, line {frames[-1].lineno}" if frames else str(path)
    return f"{place}: {error}"
