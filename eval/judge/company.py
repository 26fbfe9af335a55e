"""Which failures may be the work of other candidates that were tried at the same time.

They may take time, cores and memory, on the GPU too, for want of which anything may fail that runs, and
what comes after it. They reach no value that this one computes, and no word of its text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eval.records import Failed

if TYPE_CHECKING:
    from eval.judge.faults import Fault

_BY_ITS_TEXT = {
    "compile": ("CompilationError", "CompileTimeAssertionFailure", "UnsupportedLanguageConstruct"),
    "import": ("SyntaxError", "IndentationError", "ModuleNotFoundError", "NameError", "AttributeError"),
}
"""Exceptions that code raises in a phase wherever it runs, unless they tell of another that is in `_WANTS`:
Triton names whatever happens in its compiler a `CompilationError`."""
_REFUSED = "RuntimeError: PassManager::run failed"
"""What Triton says where a pass of its compiler refuses a program; one that wants memory ends the process."""
_WANTS = "MemoryError", "OSError", "BlockingIOError", "RuntimeError", "OutOfMemory"


def may_be_the_company(fault: Fault | None) -> bool:
    """Tell whether who failed like this beside another has to be tried again alone."""
    if not isinstance(fault, Failed):
        return False
    detail = fault.detail or ""
    if fault.phase == "compile" and detail.startswith(_REFUSED):
        return False
    kind, _, rest = detail.partition(":")
    return kind not in _BY_ITS_TEXT.get(fault.phase, ()) or any(want in rest for want in _WANTS)
