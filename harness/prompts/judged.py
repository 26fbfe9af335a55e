"""What a stage demands of one candidate: its rules, the current code, and the metrics of the prompt."""

from __future__ import annotations

from eval.records import Record
from eval.stage.records import ChangeOnlyIf, StageRules
from harness.files import text_hash
from harness.metrics import Metrics, check_kernels
from harness.problems import ProblemFolder
from harness.prompts.stages import Stage
from harness.records import Prompt


class Given(Record):
    """What the user hands in for the stage rules, before the stored prompt and the problem are asked."""

    code: str | None = None
    metrics: Metrics | None = None
    gpu: str | None = None
    """Name of the prompt's GPU."""


class Demand(Record):
    """What one candidate is held to on the stage track."""

    code: str | None
    """Current code that the candidate is compared with."""
    rules: StageRules | None
    """None without a stage."""
    gpu: str | None = None
    """Name of the prompt's GPU."""

    @property
    def hash(self) -> str | None:
        """Hash of what the rules look at beside stage and code; None where that is nothing."""
        shown = self.rules.metrics if self.rules is not None else None
        if self.wants_occupancy:
            return text_hash(f"occupancy on {self.gpu}")
        return text_hash(repr(shown)) if shown else None

    @property
    def wants_occupancy(self) -> bool:
        """Tell whether a rule asks for what a dry launch of the current code shows: nothing was measured."""
        if self.rules is None or self.rules.metrics or self.code is None or self.gpu is None:
            return False
        return any(isinstance(rule, ChangeOnlyIf) for rule in self.rules.rules.values())


def demand(problem: ProblemFolder, stage: Stage | None, given: Given, prompt: Prompt | None = None) -> Demand:
    """Return what a candidate is held to: as given, else as in its prompt, else as the problem has it.

    Raises `UsageError`: the metrics that were given belong to other code.
    """
    code = given.code or (prompt.code if prompt is not None else None) or problem.current_code
    if given.metrics is not None:
        check_kernels(given.metrics, code or "")
    if stage is None:
        return Demand(code=code, rules=None)
    gpu = given.gpu or (prompt.gpu if prompt is not None else None)
    return Demand(code=code, rules=stage.as_rules(_metrics(problem, given, prompt, code, gpu)), gpu=gpu)


def _metrics(
    problem: ProblemFolder, given: Given, prompt: Prompt | None, code: str | None, gpu: str | None
) -> dict[str, dict[str, int | float]] | None:
    if given.metrics is not None:
        return given.metrics.kernels
    if prompt is not None and prompt.metrics is not None and given.code is None:
        return prompt.metrics
    own = problem.current_code
    if code is None or own is None or text_hash(code) != text_hash(own):
        return None
    if gpu is None and len(problem.metrics) == 1:
        gpu = next(iter(problem.metrics))
    found = problem.metrics.get(gpu) if gpu is not None else None
    return found.kernels if found is not None else None
