"""The register of rules: adding one is adding a module and a line here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from eval.records import RejectedReason, Violation
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


class Rule(NamedTuple):
    """A check, and the reason that its violations give a rejected verdict."""

    check: Check
    reason: RejectedReason


RULES: tuple[Rule, ...] = (
    Rule(imports.check, "output_rules"),
    Rule(order.check, "output_rules"),
    Rule(testing_code.check, "output_rules"),
    Rule(model_new.check, "output_rules"),
    Rule(kernel.check, "output_rules"),
    Rule(kernel_body.check, "output_rules"),
    Rule(library.check, "library_compute"),
    Rule(operators.check, "library_compute"),
    Rule(fallback.check, "library_compute"),
    Rule(tampering.check, "tampering"),
    Rule(dynamic_code.check, "tampering"),
    Rule(patching.check, "tampering"),
    Rule(dunder.check, "tampering"),
    Rule(launch_hooks.check, "tampering"),
    Rule(devices.check, "tampering"),
    Rule(mode_detection.check, "tampering"),
    Rule(encoding.check, "tampering"),
)
OUTPUT_RULES = frozenset({
    "imports", "order", "main_guard", "get_inputs", "get_init_inputs", "testing_code", "model_new",
    "redefined", "kernel", "launch", "kernel_escape", "syntax",
})  # fmt: skip
LIBRARY_RULES = frozenset({"library_compute", "fallback"})
LENIENT_WARNINGS = frozenset({"imports", "order"})
"""Rules that only warn where the mode is lenient."""
