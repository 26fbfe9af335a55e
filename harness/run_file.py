"""A run in one TOML file: problems, stages, GPUs, models, samples, and how the answers are judged.

::

    problems = ["cumsum_exclusive"]
    stages = ["final_micro_tuning"]
    gpus = ["4090"]
    samples = 4

    [[models]]              # as `collect --config` reads them
    model = "replay:tests/replies"

    [budget]                # may be left out
    max_calls = 100

    [judge]                 # may be left out
    device = "auto"
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from eval.records import DeviceChoice, RulesMode
from harness.data_files import DataFiles
from harness.errors import UsageError
from harness.files import DataRecord, parse_toml, read_text, validated
from harness.llm.budget import Budget
from harness.llm.config import purchase_of
from harness.llm.orders import Order
from harness.problems import load_problem
from harness.prompts import is_legal, load_gpu, load_stage, render_prompt
from harness.records import Prompt

Names = Annotated[tuple[str, ...], Field(min_length=1)]
_OF_MODELS = ("models", "budget")


class JudgeTable(DataRecord):
    """The table ``[judge]``."""

    device: DeviceChoice = "auto"
    size: str | None = None
    rules: RulesMode = "strict"
    jobs: Annotated[int, Field(ge=1)] = 1
    """Candidates at once; on a GPU always one."""
    timing: bool = True
    timeout_s: Annotated[float, Field(gt=0)] = 300.0
    call_timeout_s: Annotated[float, Field(gt=0)] = 60.0
    memory_gb: Annotated[float, Field(gt=0)] = 12.0
    require_sandbox: bool = False


class RunFile(DataRecord):
    """What is asked of whom, and how the answers are judged."""

    problems: Names
    stages: Names
    gpus: Names
    samples: Annotated[int, Field(ge=1)] = 1
    judge: JudgeTable = JudgeTable()


class RunPlan(DataRecord):
    """A run file, made into prompts and orders."""

    file: RunFile
    orders: tuple[Order, ...]
    budget: Budget
    left_out: tuple[str, ...]
    """Combinations of problem, stage and GPU that have no prompt."""

    def files(self) -> DataFiles:
        """Return what the prompts were made from, by their names, too."""
        return DataFiles(self.file.problems, self.file.stages, self.file.gpus)


def read_run(path: Path) -> RunPlan:
    """Read a run file and render its prompts.

    Raises:
        UsageError: a wrong key, value or name, or no combination that has a prompt.

    """
    data = parse_toml(read_text(path), path)
    purchase = purchase_of(data, path)
    own = {key: value for key, value in data.items() if key not in _OF_MODELS}
    file = validated(RunFile, own, path)
    prompts, left_out = _prompts(file)
    if not prompts:
        raise UsageError(f"{path}: no prompt: {'; '.join(left_out)}")
    orders = tuple(
        Order(spec=spec, prompts=prompts, samples=tuple(range(file.samples))) for spec in purchase.models
    )
    return RunPlan(file=file, orders=orders, budget=purchase.budget, left_out=left_out)


def _prompts(file: RunFile) -> tuple[tuple[Prompt, ...], tuple[str, ...]]:
    prompts, left_out = [], []
    stages, gpus = [load_stage(name) for name in file.stages], [load_gpu(name) for name in file.gpus]
    for problem in map(load_problem, file.problems):
        problem.check_size(file.judge.size)
        for stage in stages:
            for gpu in gpus:
                if is_legal(problem=problem, stage=stage, gpu=gpu):
                    prompts.append(render_prompt(problem=problem, stage=stage, gpu=gpu))
                else:
                    left_out.append(f"{problem.name}, {stage.name}, {gpu.name}: the stage does not apply")
    return tuple(prompts), tuple(left_out)
