"""Attacks on a problem before it is trusted: what must pass, and what must not."""

from harness.validate.attacks import ATTACKS, attack, handed_in
from harness.validate.run import Finding, validate

__all__ = ["ATTACKS", "Finding", "attack", "handed_in", "validate"]
