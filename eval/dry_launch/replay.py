"""Compile a launch that another runner has seen, whatever this process would have launched itself."""

from __future__ import annotations

from contextlib import suppress
from types import ModuleType
from typing import Any

import torch


def replay(module: ModuleType, launch: dict[str, Any], constants: dict[str, Any]) -> None:
    """Launch a kernel of the candidate by name, as what stands in front of Triton's launcher has it.

    `constants` are what the module's own compile-time constants were there. A kernel that the module does
    not hold under its name is left out. What does not compile is noted.
    """
    from triton.language import constexpr

    for name, value in constants.items():
        setattr(module, name, constexpr(value))
    kernel = _jitted(vars(module).get(launch["kernel"]))
    if kernel is None:
        return
    values = {one["name"]: _value(module, one["kind"], one["what"]) for one in launch["arguments"]}
    with suppress(Exception):
        kernel.run(grid=(1,), warmup=True, **values, **launch["options"])


def _jitted(value: Any) -> Any:
    """Return the kernel under tuners and heuristics."""
    from triton.runtime.jit import JITFunction

    while value is not None and not isinstance(value, JITFunction):
        value = getattr(value, "fn", None)
    return value


def _value(module: ModuleType, kind: str, what: Any) -> Any:
    import triton.language
    from triton.runtime.jit import MockTensor

    if kind == "tensor":
        return MockTensor(getattr(torch, what))
    if kind == "type":
        return triton.language.dtype(what)
    if kind == "function":
        return vars(module).get(what, getattr(triton.language, what, None))
    return what
