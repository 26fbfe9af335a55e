"""Problems that are one file in KernelBench's format: what the text says, and cases made from it by rule."""

from harness.kernelbench.folder import find_problem, has_number, is_numbered, problem_paths
from harness.kernelbench.scaling import scaled_cases, variants
from harness.kernelbench.text import Reference, read_reference

__all__ = [
    "Reference",
    "find_problem",
    "has_number",
    "is_numbered",
    "problem_paths",
    "read_reference",
    "scaled_cases",
    "variants",
]
