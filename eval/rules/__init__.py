"""The static rules: what a candidate's text may hold, decided on its syntax tree without running it."""

from eval.rules.check import check_code, reason_for, static_verdict
from eval.rules.report import Config, Kernel, RuleReport

__all__ = ["Config", "Kernel", "RuleReport", "check_code", "reason_for", "static_verdict"]
