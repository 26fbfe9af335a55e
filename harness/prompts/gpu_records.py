"""What a GPU file holds: figures with their unit in the name, in the words of the GPU's vendor."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from harness.files import DataRecord

Count = Annotated[int, Field(gt=0, strict=True)]
Figure = Annotated[float, Field(gt=0, strict=True, allow_inf_nan=False)]
Text = Annotated[str, Field(min_length=1)]
OptionalType = Literal["tf32", "bf16", "fp8", "fp4"]


class GpuBase(DataRecord):
    """What GPUs of all vendors have. Rates are dense, in 1e12 a second, at the reference clock."""

    name: Text
    """The word that commands take: the name of the file."""
    label: Text
    """What prompts call it."""
    product: Text
    aliases: tuple[Text, ...] = ()
    device_names: tuple[Text, ...]
    """What ``torch.cuda.get_device_name()`` says."""
    legacy_device_names: tuple[Text, ...] = ()
    name_note: Text | None = None
    architecture: Text
    chip: Text
    form_factor: Text
    launch_year: Annotated[int, Field(ge=2006, le=2100)]
    max_registers_per_thread: Count
    memory_gb: Figure
    memory_type: Text
    memory_bandwidth_gb_per_s: Figure
    memory_clock_mhz: Figure
    """As nvidia-smi prints it: half the data rate of a pin."""
    memory_bus_bits: Count
    l2_cache_mib: Figure
    fp64_tflops: Figure
    fp64_tensor_tflops: Figure | None = None
    fp32_tflops: Figure
    tf32_tflops: Figure | None = None
    bf16_tflops: Figure | None = None
    fp16_tflops: Figure
    """With fp32 accumulation, as `bf16_tflops` and `fp8_tflops`."""
    fp16_fp16acc_tflops: Figure | None = None
    fp8_tflops: Figure | None = None
    fp8_fp16acc_tflops: Figure | None = None
    fp4_tflops: Figure | None = None
    int8_tops: Figure
    unsupported: tuple[OptionalType, ...]
    """Types that the tensor cores lack; each of the others has its rate."""
    boost_clock_mhz: Count
    max_sm_clock_mhz: Count | None = None
    fp16_peak_clock_mhz: Count
    """The clock that `fp16_tflops` implies; a card that boosts past it exceeds the rate."""
    sources: Annotated[tuple[Text, ...], Field(min_length=1)]
    hash: str
    """sha256 of the file's normalised text, hexadecimal."""

    @model_validator(mode="after")
    def _types_agree(self) -> Self:
        for kind in ("tf32", "bf16", "fp8", "fp4"):
            rated = getattr(self, f"{kind}_tflops") is not None
            if rated == (kind in self.unsupported):
                problem = "has a rate and stands in `unsupported`" if rated else "has no rate"
                raise ValueError(f"{kind} {problem}: give {kind}_tflops or name {kind} in `unsupported`")
        return self


class NvidiaGpu(GpuBase):
    """A GPU of NVIDIA: multiprocessors, warps, shared memory."""

    vendor: Literal["NVIDIA"]
    compute_capability: Annotated[str, Field(pattern=r"^\d+\.\d$")]
    num_sms: Count
    warp_size: Count
    max_warps_per_sm: Count
    max_threads_per_sm: Count
    max_threads_per_block: Count
    max_blocks_per_sm: Count
    registers_per_sm: Count
    shared_memory_per_sm_kib: Count
    max_shared_memory_per_block_kib: Count
    fp16_tensor_flops_per_clk_per_sm: Count


class AmdGpu(GpuBase):
    """A GPU of AMD: compute units, wavefronts, LDS, workgroups."""

    vendor: Literal["AMD"]
    compute_capability: Annotated[str, Field(pattern=r"^gfx[0-9a-f]+$")]
    """The LLVM target."""
    num_compute_units: Count
    dies: Text
    wavefront_size: Count
    max_wavefronts_per_cu: Count
    max_threads_per_cu: Count
    max_threads_per_workgroup: Count
    max_workgroups_per_cu: Count
    registers_per_cu: Count
    lds_per_cu_kib: Count
    max_lds_per_workgroup_kib: Count
    l2_cache_scope: Text
    """What shares the L2: it is cut into one part a die."""
    infinity_cache_mib: Count | None = None
    fp32_matrix_tflops: Figure | None = None
    fp16_matrix_flops_per_clk_per_cu: Count


GpuSpec = NvidiaGpu | AmdGpu
VENDORS: dict[str, type[NvidiaGpu | AmdGpu]] = {"NVIDIA": NvidiaGpu, "AMD": AmdGpu}
