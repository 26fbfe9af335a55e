"""Where teams already are: trainers, agents and other frameworks, each a thin module over the same judges.

A framework is imported only by the module that is for it, and each module says which extra it needs.
"""

from harness.adapters.asking import Outcome, as_attempt
from harness.adapters.judges import Judges, LocalJudges
from harness.adapters.library import Library
from harness.adapters.remote import RemoteJudges
from harness.judge_server.records import Question

__all__ = ["Judges", "Library", "LocalJudges", "Outcome", "Question", "RemoteJudges", "as_attempt"]
