"""Attacks on a problem before it is trusted: what must pass, and what must not."""

from harness.validate.assays import Assayer
from harness.validate.attacks import ATTACKS, attack, handed_in
from harness.validate.files import findings
from harness.validate.quarantine import Reasons, reasons_of_assays, reasons_of_findings, remember
from harness.validate.run import Finding, validate
from harness.validate.table import write_table

__all__ = [
    "ATTACKS",
    "Assayer",
    "Finding",
    "Reasons",
    "attack",
    "findings",
    "handed_in",
    "reasons_of_assays",
    "reasons_of_findings",
    "remember",
    "validate",
    "write_table",
]
