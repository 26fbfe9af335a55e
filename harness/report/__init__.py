"""The report: one self-contained HTML file from a list of attempts. It reads no store and no network."""

from harness.report.page import render
from harness.report.rows import Shared
from harness.report.why import headline, why

__all__ = ["Shared", "headline", "render", "why"]
