"""Theoretical occupancy of a block on a multiprocessor, as NVIDIA's ``cuda_occupancy.h`` computes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from eval.dry_launch.records import GpuLimits, Limiter

_REGISTERS_STEP = 256
"""Registers are handed to a warp in steps of this many."""
_PARTITIONS = 4
"""A multiprocessor has four sub-partitions, each with a quarter of the registers."""
_SYSTEM_SHARED_BYTES = 1024
"""From compute capability 8.0 on, each block loses this much shared memory to the system."""
_AMPERE = 80


class Occupancy(NamedTuple):
    """How many blocks of a kernel fit at once, and what keeps out the next one."""

    blocks_per_sm: int
    occupancy: float
    limiter: Limiter


def occupancy(gpu: GpuLimits, *, warps: int, registers: int, shared_bytes: int) -> Occupancy:
    """Return the occupancy of blocks of `warps` warps.

    `registers` are by thread, `shared_bytes` by block. Where several limits are equally tight the
    hardware's own (warps, blocks) is named.
    """
    if warps * gpu.warp_size > gpu.max_threads_per_block:
        return Occupancy(0, 0.0, "threads_per_block")
    limits: dict[Limiter, int] = {
        "warps": min(gpu.max_warps_per_sm, gpu.max_threads_per_sm // gpu.warp_size) // warps,
        "blocks": gpu.max_blocks_per_sm,
        "registers": _by_registers(gpu, warps, registers),
        "shared_memory": _by_shared_memory(gpu, shared_bytes),
    }
    limiter = min(limits, key=limits.__getitem__)
    blocks = limits[limiter]
    return Occupancy(blocks, blocks * warps / gpu.max_warps_per_sm, limiter)


def waves(gpu: GpuLimits, grid: tuple[int, ...], blocks_per_sm: int) -> float | None:
    """Return how often the GPU must be filled to run all blocks; None where none fits."""
    if blocks_per_sm == 0:
        return None
    blocks = 1
    for size in grid:
        blocks *= size
    return blocks / (gpu.num_sms * blocks_per_sm)


def _by_registers(gpu: GpuLimits, warps: int, registers: int) -> int:
    if registers == 0:
        return gpu.max_blocks_per_sm
    by_warp = _round_up(registers * gpu.warp_size, _REGISTERS_STEP)
    if by_warp * _round_up(warps, _PARTITIONS) > gpu.registers_per_sm:
        return 0
    warps_in_partition = gpu.registers_per_sm // _PARTITIONS // by_warp
    return warps_in_partition * _PARTITIONS // warps


def _by_shared_memory(gpu: GpuLimits, shared_bytes: int) -> int:
    if shared_bytes > gpu.max_shared_bytes_per_block:
        return 0
    system = _SYSTEM_SHARED_BYTES if gpu.capability >= _AMPERE else 0
    step = 128 if gpu.capability >= _AMPERE else 256
    by_block = _round_up(shared_bytes + system, step)
    return gpu.shared_bytes_per_sm // by_block if by_block else gpu.max_blocks_per_sm


def _round_up(value: int, step: int) -> int:
    return -(-value // step) * step
