"""Turn source text into a module inside the runner, and its failures into plain values."""

from __future__ import annotations

import sys
import traceback
import types
from pathlib import Path
from typing import Any

from eval.runner.interpreted import WAITS_IN_VAIN

_MESSAGE_CHARS = 3000
_MOST_CAUSES = 3
_CUDA_ONLY = (
    "is_cuda", "Torch not compiled with CUDA", "No CUDA GPUs", "Found no NVIDIA driver", "active drivers",
    "device='cuda'", 'device="cuda"', "torch.cuda", "mask has unsupported dtype", "CUDA driver",
    "supported in interpreter mode", WAITS_IN_VAIN.partition("{}")[2],
)  # fmt: skip
_COMPILED = ("_init_handles", "n_regs", "n_spills", "n_max_threads", "metadata", "asm")
"""What code asks of a kernel that was compiled, where the interpreter gives none."""
_OUT_OF_MEMORY = {"MemoryError", "OutOfMemoryError"}
_ALLOCATION_FAILED = ("out of device memory", "DefaultCPUAllocator", "Cannot allocate memory")
_COMPILER_ERRORS = {"CompilationError", "CompileTimeAssertionFailure", "UnsupportedLanguageConstruct"}


def load_module(source: str, path: Path, name: str) -> types.ModuleType:
    """Write `source` to `path`, where Triton looks for the text of kernels, and execute it as `name`."""
    path.write_text(source, encoding="utf-8")
    module = types.ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module
    exec(compile(source, str(path), "exec"), module.__dict__)  # noqa: S102 - running it is the point
    return module


def describe(error: BaseException, phase: str, path: Path, *, interpreted: bool) -> dict[str, Any]:
    """Put an exception of the candidate into words: phase, type, message, line of its code."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename == str(path)]
    message = _text(error)
    phase = _phase(error, message, phase)
    source_line = (own[-1].line or "") if own else ""
    beyond = _cuda_only(message, source_line) or _compiled_only(error, message)
    if interpreted and phase in {"run", "launch", "init", "import"} and beyond:
        phase = "unsupported"
    return {
        "phase": phase,
        "type": _as_text(type(error).__name__[:100]),
        "message": message,
        "line": own[-1].lineno if own else None,
    }


def _text(error: BaseException) -> str:
    cause: BaseException | None = error
    parts: list[str] = []
    while cause is not None and len(parts) < _MOST_CAUSES:
        parts.append(_message(cause))
        cause = cause.__cause__
    return "\n".join(part for part in parts if part)[:_MESSAGE_CHARS]


def _message(error: BaseException) -> str:
    try:
        return _as_text(str(error)[:_MESSAGE_CHARS].strip())
    except BaseException as second:  # noqa: BLE001 - a candidate writes its own exceptions
        return f"its message cannot be read: {type(second).__name__[:100]}"


def _as_text(text: str) -> str:
    """Replace what has no UTF-8 form, which no message may hold."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _cuda_only(message: str, source_line: str) -> bool:
    return any(mark in message or mark in source_line for mark in _CUDA_ONLY)


def _compiled_only(error: BaseException, message: str) -> bool:
    """Tell whether code asked for a compiled kernel, or a kernel for what only the compiler knows."""
    if type(error).__name__ == "InterpreterError":
        return "`_semantic` argument must be provided" in message
    return any(f"'NoneType' object has no attribute '{name}'" in message for name in _COMPILED)


def _phase(error: BaseException, message: str, phase: str) -> str:
    names = {cls.__name__ for cls in type(error).__mro__}
    if names & _OUT_OF_MEMORY or _holds(message, _ALLOCATION_FAILED):
        return "memory"
    if phase != "run":
        return phase
    if names & _COMPILER_ERRORS or _holds(message, ("PassManager::run failed", "ptxas")):
        return "compile"
    if "OutOfResources" in names:
        return "launch"
    return "crash" if _holds(message, ("illegal memory access", "misaligned address")) else "run"


def _holds(message: str, marks: tuple[str, ...]) -> bool:
    return any(mark in message for mark in marks)
