"""Nsight Compute metrics in the form that prompts show: kernel, metric, value."""

from __future__ import annotations

import ast
import json
import math
from pathlib import Path
from typing import Any, Never

from eval.records import Record
from harness.errors import UsageError
from harness.files import nearest, read_text, text_hash


class Metrics(Record):
    """What was measured, for each kernel, in the order of the file."""

    kernels: dict[str, dict[str, int | float]]
    source: str
    """The file they came from."""

    @property
    def text(self) -> str:
        """The block as the prompt prints it."""
        return json.dumps(self.kernels, indent=2, ensure_ascii=False)

    @property
    def hash(self) -> str:
        """sha256 of the block, hexadecimal."""
        return text_hash(self.text)


def load_metrics(path: Path) -> Metrics:
    """Read a metrics file: a JSON object of kernels, each an object of metric and finite number.

    Raises `UsageError`: not JSON, another shape, or a value that is no finite number.
    """
    try:
        data = json.loads(
            read_text(path),
            parse_constant=_not_finite,
            parse_float=_finite,
            object_pairs_hook=_without_doubles,
        )
    except json.JSONDecodeError as error:
        raise UsageError(f"{path}: not valid JSON: {error}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: {error}") from error
    if not isinstance(data, dict) or not data:
        raise UsageError(f"{path}: must be a JSON object of kernel names, each with its metrics")
    for kernel, values in data.items():
        _check_kernel(path, kernel, values)
    return Metrics(kernels=data, source=str(path))


def kernel_names(code: str) -> tuple[str, ...]:
    """Return the names of the functions that ``jit`` decorates, in the order of the code.

    Raises `SyntaxError`: the code does not parse.
    """
    functions = (node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.FunctionDef))
    return tuple(node.name for node in functions if any(_is_jit(mark) for mark in node.decorator_list))


def check_kernels(metrics: Metrics, code: str) -> None:
    """Refuse metrics of kernels that the code does not define: they were measured on other code.

    Raises `UsageError`: a kernel is not in the code, or the code does not parse.
    """
    try:
        known = kernel_names(code)
    except SyntaxError as error:
        raise UsageError(
            f"{metrics.source}: the code does not parse (line {error.lineno}), so no metrics can belong to it"
        ) from error
    for kernel in metrics.kernels:
        if kernel not in known:
            raise UsageError(
                f"{metrics.source}: kernel {kernel!r} is not in the code{nearest(kernel, known)}; "
                "hand in the metrics of this code"
            )


def _is_jit(decorator: ast.expr) -> bool:
    target = decorator.func if isinstance(decorator, ast.Call) else decorator
    return (isinstance(target, ast.Attribute) and target.attr == "jit") or (
        isinstance(target, ast.Name) and target.id == "jit"
    )


def _check_kernel(path: Path, kernel: str, values: Any) -> None:
    if not isinstance(values, dict) or not values:
        raise UsageError(f"{path}: {kernel}: must be an object of metric names and numbers")
    for metric, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise UsageError(f"{path}: {kernel}: {metric}: must be a number, is {json.dumps(value)}")


def _not_finite(word: str) -> Never:
    raise ValueError(f"holds {word}; leave out a metric that was not measured")


def _finite(digits: str) -> float:
    value = float(digits)
    return value if math.isfinite(value) else _not_finite(digits)


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    for name, value in pairs:
        if name in seen:
            raise ValueError(f"{name!r} stands twice in one object")
        seen[name] = value
    return seen
