"""Prompts from data files: stages, GPUs and one template."""

from harness.prompts.compared import PromptDiff, compared, spoken
from harness.prompts.feedback import feedback
from harness.prompts.gpu_records import GpuSpec
from harness.prompts.gpus import gpu_names, load_gpu
from harness.prompts.history import history
from harness.prompts.judged import Demand, Given, demand
from harness.prompts.render import is_legal, render_prompt
from harness.prompts.stages import Stage, load_stage, stage_names

__all__ = [
    "Demand",
    "Given",
    "GpuSpec",
    "PromptDiff",
    "Stage",
    "compared",
    "demand",
    "feedback",
    "gpu_names",
    "history",
    "is_legal",
    "load_gpu",
    "load_stage",
    "render_prompt",
    "spoken",
    "stage_names",
]
