"""What an optimisation is asked for, what came of each stage, and where it ended."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from eval.records import DeviceChoice, Limits, Record, RulesMode
from harness.llm import ModelSpec
from harness.problems import ProblemFolder


class Budget(Record):
    """Limits of a whole optimisation, what a resumed one did before included; None is no limit."""

    attempts: int | None = Field(default=None, ge=0)
    tokens: int | None = Field(default=None, ge=0)
    """Of prompts and replies together."""
    cost: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    minutes: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Of this command alone."""


class Plan(Record):
    """One optimisation."""

    problem: str
    gpu: str
    stages: tuple[str, ...] = Field(min_length=1)
    spec: ModelSpec
    samples: int = Field(default=1, ge=1)
    """Replies for each prompt."""
    repairs: int = Field(default=1, ge=0)
    """Rounds of repair in a stage in which nothing is kept and something failed."""
    code: str | None = None
    """What to start from, instead of the problem's own."""
    metrics: Path | None = None
    """Of what it starts from."""
    profile: bool = True
    """Measure metrics of what is kept, where this machine has the prompts' GPU and Nsight Compute."""
    device: DeviceChoice = "auto"
    size: str | None = None
    rules: RulesMode = "strict"
    limits: Limits = Limits()
    budget: Budget = Budget()
    folder: Path = Path("optimized")
    """Where each kept code is written."""

    def code_of(self, problem: ProblemFolder) -> str | None:
        """Return what it starts from."""
        return self.code if self.code is not None else problem.current_code


class Step(Record):
    """What came of one stage."""

    stage: str
    kept: bool
    attempt: str | None = None
    """The attempt that was kept, or the best that was not."""
    status: str | None = None
    decision: Literal["keep", "revert", "inconclusive"] | None = None
    """None where nothing was timed: then the first correct and legal one is kept."""
    before_ms: float | None = None
    ms: float | None = None
    """Of the attempt above."""
    speedup_current: float | None = None
    attempts: int = 0
    repairs: int = 0
    note: str | None = None
    """Why nothing was kept, or why the stage was passed over."""


class Summary(Record):
    """Where an optimisation ended."""

    steps: tuple[Step, ...]
    best: Path | None
    """File with the best code; None where there is none yet."""
    ms: float | None
    floor_ms: float | None = None
    attempts: int
    tokens: int
    cost: float
    stopped_by: str | None
    """The limit that ended it; None where all stages were tried."""
