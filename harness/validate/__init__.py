"""Attacks on a problem before it is trusted: what must pass, and what must not."""

from harness.validate.assays import Assayer
from harness.validate.attacks import ATTACKS, attack, handed_in
from harness.validate.files import findings
from harness.validate.quarantine import Memory, Standing, standing_of_assay, standing_of_findings
from harness.validate.run import Finding, validate
from harness.validate.table import require_table, write_table

__all__ = [
    "ATTACKS",
    "Assayer",
    "Finding",
    "Memory",
    "Standing",
    "attack",
    "findings",
    "handed_in",
    "require_table",
    "standing_of_assay",
    "standing_of_findings",
    "validate",
    "write_table",
]
