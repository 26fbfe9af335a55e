"""The report: one self-contained HTML file from a list of attempts. It reads no store and no network.

The live page is drawn by the same templates; `harness.serve` decides what stands on it.
"""

from harness.report.page import Live, live_policy, render, render_live
from harness.report.rows import Shared
from harness.report.sections import Ledger, Sections, sections
from harness.report.why import headline, why

__all__ = [
    "Ledger",
    "Live",
    "Sections",
    "Shared",
    "headline",
    "live_policy",
    "render",
    "render_live",
    "sections",
    "why",
]
