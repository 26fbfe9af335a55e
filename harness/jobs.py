"""From a candidate and what its stage demands to the judge's `Job`."""

from __future__ import annotations

import threading
from typing import Literal

from eval import Job, Limits
from eval.records import BaselinesMode, Record, RulesMode
from eval.stage.records import StageRules
from harness.files import text_hash
from harness.problems import ProblemFolder
from harness.prompts import Demand, GpuSpec, Stage, gpu_names, load_gpu
from harness.prompts.dry import dry_occupancy
from harness.records import Candidate


class JobSettings(Record):
    """How a candidate is judged, whatever it is."""

    device: Literal["cuda", "cpu"]
    size: str | None = None
    rules: RulesMode = "strict"
    timing: bool = True
    limits: Limits = Limits()
    require_sandbox: bool = False
    baselines: BaselinesMode = "live"


class JobMaker:
    """Makes jobs, and keeps what dry launches of current codes have shown; threads may share it."""

    def __init__(self) -> None:
        self._occupancy: dict[tuple[str, str], dict[str, float] | None] = {}
        self._lock = threading.Lock()

    def job(
        self, settings: JobSettings, candidate: Candidate, problem: ProblemFolder, stage: Stage | None,
        held_to: Demand, gpu: GpuSpec | None = None,
    ) -> Job:  # fmt: skip
        """Return the job; `gpu` is the prompt's, where it is none of those that ship with the harness."""
        return Job(
            problem=problem.problem, code=candidate.code, language=candidate.language,
            current_code=held_to.code, min_gain=stage.min_gain if stage else None,
            stage_rules=self._rules(problem, held_to, gpu), device=settings.device, size=settings.size,
            rules=settings.rules, audits=settings.rules != "off", limits=settings.limits,
            timing=settings.timing, require_sandbox=settings.require_sandbox, baselines=settings.baselines,
        )  # fmt: skip

    def _rules(self, problem: ProblemFolder, held_to: Demand, gpu: GpuSpec | None) -> StageRules | None:
        """Return the stage's rules, with what a dry launch of the current code shows where they ask."""
        if not held_to.wants_occupancy or held_to.rules is None:
            return held_to.rules
        assert held_to.code is not None
        assert held_to.gpu is not None
        key = (text_hash(held_to.code), held_to.gpu)
        with self._lock:
            if key not in self._occupancy:
                spec = gpu or (load_gpu(held_to.gpu) if held_to.gpu in gpu_names() else None)
                self._occupancy[key] = dry_occupancy(problem.problem, held_to.code, spec) if spec else None
            return held_to.rules.model_copy(update={"occupancy": self._occupancy[key]})
