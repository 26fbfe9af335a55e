"""Prompts from data files: stages, GPUs and one template."""

from harness.prompts.gpu_records import GpuSpec
from harness.prompts.gpus import gpu_names, load_gpu
from harness.prompts.render import is_legal, render_prompt
from harness.prompts.stages import Stage, load_stage, stage_names

__all__ = [
    "GpuSpec",
    "Stage",
    "gpu_names",
    "is_legal",
    "load_gpu",
    "load_stage",
    "render_prompt",
    "stage_names",
]
