"""What a dry launch needs to know of a GPU, from its data file."""

from __future__ import annotations

from eval.dry_launch.records import GpuLimits
from harness.errors import UsageError
from harness.prompts.gpu_records import GpuSpec, NvidiaGpu

_KIB, _MIB = 1 << 10, 1 << 20


def gpu_limits(gpu: GpuSpec) -> GpuLimits:
    """Return the limits that occupancy depends on.

    Raises `UsageError`: the GPU is not NVIDIA's, and Triton's NVIDIA compiler is the only one here.
    """
    if not isinstance(gpu, NvidiaGpu):
        raise UsageError(f"{gpu.product} is not a GPU of NVIDIA: kernels can be compiled dry for those alone")
    return GpuLimits(
        name=gpu.device_names[0] if gpu.device_names else gpu.product,
        capability=int(gpu.compute_capability.replace(".", "")),
        num_sms=gpu.num_sms,
        warp_size=gpu.warp_size,
        max_warps_per_sm=gpu.max_warps_per_sm,
        max_threads_per_sm=gpu.max_threads_per_sm,
        max_threads_per_block=gpu.max_threads_per_block,
        max_blocks_per_sm=gpu.max_blocks_per_sm,
        registers_per_sm=gpu.registers_per_sm,
        shared_bytes_per_sm=gpu.shared_memory_per_sm_kib * _KIB,
        max_shared_bytes_per_block=gpu.max_shared_memory_per_block_kib * _KIB,
        l2_bytes=int(gpu.l2_cache_mib * _MIB),
        memory_bytes=int(gpu.memory_gb * 1e9),
    )
