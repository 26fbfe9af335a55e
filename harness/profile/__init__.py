"""NVIDIA's tools: run one round a candidate, and read what it reports."""

from harness.profile.ncu import Measured, measured, said_of_walls
from harness.profile.report import KernelReport, prompt_metrics, read_report, unknown_metrics
from harness.profile.sanitizer import SanitizedJudging, require_gpu

__all__ = [
    "KernelReport",
    "Measured",
    "SanitizedJudging",
    "measured",
    "prompt_metrics",
    "read_report",
    "require_gpu",
    "said_of_walls",
    "unknown_metrics",
]
