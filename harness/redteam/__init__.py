"""Cheats and honest but unusual candidates, run through the judge to see which defence fires."""

from harness.redteam.corpus import CorpusFile, Expectation, read_corpus, shipped
from harness.redteam.outcome import Outcome
from harness.redteam.run import RedteamSettings, run

__all__ = ["CorpusFile", "Expectation", "Outcome", "RedteamSettings", "read_corpus", "run", "shipped"]
