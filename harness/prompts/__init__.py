"""Prompts from data files: stages, GPUs and one template."""

from harness.prompts.gpu_records import GpuSpec
from harness.prompts.gpus import gpu_names, load_gpu
from harness.prompts.judged import Demand, Given, demand
from harness.prompts.render import is_legal, render_prompt
from harness.prompts.stages import Stage, load_stage, stage_names

__all__ = [
    "Demand",
    "Given",
    "GpuSpec",
    "Stage",
    "demand",
    "gpu_names",
    "is_legal",
    "load_gpu",
    "load_stage",
    "render_prompt",
    "stage_names",
]
