"""Nsight Compute: run it round one call of a candidate, and read what it reports in the form of prompts."""

from harness.profile.ncu import measured
from harness.profile.report import KernelReport, prompt_metrics, read_report, unknown_metrics

__all__ = ["KernelReport", "measured", "prompt_metrics", "read_report", "unknown_metrics"]
