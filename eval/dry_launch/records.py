"""The records of a dry launch: for which GPU, and what was launched."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from eval.records import Limits, Problem, Record

Plain = int | float | bool | str | None
Limiter = Literal["warps", "blocks", "registers", "shared_memory", "threads_per_block"]
FailureKind = Literal["compile", "no_kernel", "needs_data", "candidate", "timeout", "memory", "crash"]


class GpuLimits(Record):
    """What occupancy depends on, for one NVIDIA GPU."""

    name: str
    """Device name, as `torch.cuda.get_device_name` gives it."""
    capability: int
    """Compute capability without its point: 89 is 8.9."""
    num_sms: int
    warp_size: int = 32
    max_warps_per_sm: int
    max_threads_per_sm: int
    max_threads_per_block: int = 1024
    max_blocks_per_sm: int
    registers_per_sm: int = 65536
    shared_bytes_per_sm: int
    max_shared_bytes_per_block: int
    l2_bytes: int
    memory_bytes: int


H100 = GpuLimits(
    name="NVIDIA H100 80GB HBM3", capability=90, num_sms=132, max_warps_per_sm=64, max_threads_per_sm=2048,
    max_blocks_per_sm=32, shared_bytes_per_sm=228 << 10, max_shared_bytes_per_block=227 << 10,
    l2_bytes=50 << 20, memory_bytes=80 * 10**9,
)  # fmt: skip
"""What candidates are compiled for where there is no GPU."""


class KernelBuild(Record):
    """One kernel in one configuration, as launched and as compiled."""

    kernel: str
    config: dict[str, Plain]
    """The autotuner's choice; for a kernel without one its compile-time constants."""
    num_warps: int
    num_stages: int
    grid: tuple[int, ...]
    """Of the largest launch."""
    launches: int
    registers: int | None
    """By thread; None where the tool that tells is missing."""
    spill_bytes: int | None
    """Stack of a thread: spilled registers and local arrays."""
    shared_bytes: int
    """By block, without what the system reserves."""
    occupancy: float | None
    """Theoretical: warps at once on a multiprocessor over the most that it holds, 0 to 1."""
    limiter: Limiter | None
    waves: float | None
    """Blocks of the grid over blocks that the whole GPU holds at once."""


class DryFailure(Record):
    """Why a dry launch did not come to its end."""

    kind: FailureKind
    message: str
    line: int | None = None
    """1-based line of the candidate's code."""
    kernel: str | None = None
    config: dict[str, Plain] = {}


class DryReport(Record):
    """All launches of one call of `forward`."""

    builds: tuple[KernelBuild, ...] = ()
    failures: tuple[DryFailure, ...] = ()
    """First what did not compile, then what ended the call early; empty where all went well."""


class DryRequest(Record):
    """One candidate to launch without a GPU."""

    problem: Problem
    code: str
    gpu: GpuLimits
    size: str | None = None
    """Name of a size profile; None is the official one."""
    limits: Limits = Field(default_factory=Limits)
