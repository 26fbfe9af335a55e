"""The register of rules: adding one is adding a module and a line here."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from eval.records import Violation
from eval.rules import (
    devices,
    dunder,
    dynamic_code,
    encoding,
    fallback,
    imports,
    kernel,
    kernel_body,
    launch_hooks,
    library,
    mode_detection,
    model_new,
    operators,
    order,
    patching,
    tampering,
    testing_code,
)
from eval.rules.candidate import Candidate

Check = Callable[[Candidate], Iterator[Violation]]


RULES: tuple[Check, ...] = (
    imports.check,
    order.check,
    testing_code.check,
    model_new.check,
    kernel.check,
    kernel_body.check,
    library.check,
    operators.check,
    fallback.check,
    tampering.check,
    dynamic_code.check,
    patching.check,
    dunder.check,
    launch_hooks.check,
    devices.check,
    mode_detection.check,
    encoding.check,
)
OUTPUT_RULES = frozenset({
    "imports", "order", "main_guard", "get_inputs", "get_init_inputs", "testing_code", "model_new",
    "redefined", "kernel", "launch", "kernel_escape", "syntax",
})  # fmt: skip
LIBRARY_RULES = frozenset({"library_compute", "fallback"})
LENIENT_WARNINGS = frozenset({"imports", "order"})
"""Rules that only warn where the mode is lenient."""
