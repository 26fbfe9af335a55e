"""``kernel-harness gpus``: list the GPUs and check their files."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.listing import load_all, print_json, print_table
from harness.prompts import GpuSpec, gpu_names, load_gpu
from harness.prompts.gpu_records import NvidiaGpu

COLUMNS = ("name", "product", "architecture", "capability", "units", "GB/s", "fp16 TFLOPS", "memory")


def command(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[GPU]...",
            help="Names, device names or paths of .toml files; all without.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> int:
    """List the GPUs that prompts can be made for, and check their files."""
    gpus, code = load_all(names or gpu_names(), load_gpu)
    if as_json:
        print_json(gpu.model_dump(mode="json", exclude_none=True) for gpu in gpus)
    elif gpus:
        print_table(COLUMNS, [_row(gpu) for gpu in gpus])
    return code


def _row(gpu: GpuSpec) -> tuple[str, ...]:
    units = f"{gpu.num_sms} SMs" if isinstance(gpu, NvidiaGpu) else f"{gpu.num_compute_units} CUs"
    return (
        gpu.name,
        gpu.product,
        gpu.architecture,
        gpu.compute_capability,
        units,
        f"{gpu.memory_bandwidth_gb_per_s:g}",
        f"{gpu.fp16_tflops:g}",
        f"{gpu.memory_gb:g} GB {gpu.memory_type}",
    )
