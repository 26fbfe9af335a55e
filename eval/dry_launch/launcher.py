"""The judge's side of a dry launch: a runner that compiles, and what it says turned into records."""

from __future__ import annotations

from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, ValidationError

from eval.dry_launch.occupancy import Occupancy, occupancy, waves
from eval.dry_launch.records import DryFailure, DryReport, FailureKind, GpuLimits, KernelBuild
from eval.judge.answers import Answer, Count, Seen, Text
from eval.judge.faults import FaultRaised
from eval.judge.regions import HostRegion
from eval.judge.runner import Runner
from eval.plain import encode
from eval.records import Failed
from eval.tensors import dtype_name

if TYPE_CHECKING:
    from eval.judge.processes import Zygote
    from eval.judge.reference import CaseReference
    from eval.records import Limits

_ASSEMBLER = ("backends", "nvidia", "bin", "ptxas")
_ORDINARY_SHARED_BYTES = 48 << 10
_MOST = 64
_ROUNDING = 4

PlainAnswer = int | float | bool | str | None
Config = Annotated[dict[Text, PlainAnswer], Field(max_length=_MOST)]


class _Build(Answer):
    kernel: Text
    config: Config
    num_warps: Annotated[int, Field(ge=1, le=1024)]
    num_stages: Count
    num_ctas: Annotated[int, Field(ge=1, le=64)]
    grid: list[Count] = Field(max_length=8)
    launches: Count
    registers: Count | None
    stack_bytes: Count | None
    shared_bytes: Count


class _Failure(Answer):
    kind: FailureKind
    message: Text
    line: int | None
    kernel: Text | None
    config: Config


class _Launched(Answer):
    builds: list[_Build] = Field(max_length=_MOST)
    failures: list[_Failure] = Field(max_length=_MOST)
    launches: Count


class DryLauncher:
    """Launches candidates for one GPU that is not there, each in a runner of its own."""

    def __init__(self, zygote: Zygote, gpu: GpuLimits) -> None:
        assert zygote.dry
        self._zygote, self._gpu = zygote, gpu

    def launch(
        self, code: str, cases: list[CaseReference], limits: Limits, wanted: frozenset[str] = frozenset()
    ) -> DryReport:
        """Call `forward` on the shapes of the first case, without contents, as on the GPU.

        Further cases are called only until all kernels of the names in `wanted` were launched. Where
        the candidate looks at contents it is called on those further cases alone, with contents on
        the CPU; what its kernels would have written is missing there.
        """
        with closing(HostRegion(1, 1)) as region:
            runner = Runner(self._zygote, region, limits, cuda=False)
            try:
                return self._report(self._ask(runner, code, cases, wanted))
            except FaultRaised as raised:
                return DryReport(failures=(_ended(raised),))
            finally:
                runner.kill()

    def launch_as_interpreted(
        self, code: str, case: CaseReference, limits: Limits, seen: Seen | None = None
    ) -> DryReport:
        """Call `forward` as the interpreter does, on tensors of the CPU, and compile what it launches.

        A candidate may choose other kernels, or other branches of a kernel, where no GPU is. What was `seen`
        to be launched in the interpreter is compiled first.
        """
        with closing(HostRegion(1, 1)) as region:
            runner = Runner(self._zygote, region, limits, cuda=False)
            try:
                self._load(runner, code, plain=True)
                if seen is not None:
                    _replay(runner, seen)
                return self._report(_until(runner, [case], frozenset(), "cpu"))
            except FaultRaised as raised:
                return DryReport(failures=(_ended(raised),))
            finally:
                runner.kill()

    def _load(self, runner: Runner, code: str, *, plain: bool) -> None:
        target = {"capability": self._gpu.capability, "properties": properties(self._gpu), "plain": plain}
        runner.ask_plain({"op": "target", **target})
        runner.load(code, "ModelNew")

    def _ask(
        self, runner: Runner, code: str, cases: list[CaseReference], wanted: frozenset[str]
    ) -> _Launched:
        self._load(runner, code, plain=False)
        launched = _until(runner, cases, wanted, "meta")
        if len(cases) > 1 and any(one.kind == "needs_data" for one in launched.failures):
            launched = _until(runner, cases[1:], wanted, "cpu")
        return launched

    def _report(self, launched: _Launched) -> DryReport:
        failures = [DryFailure(**one.model_dump()) for one in launched.failures]
        if not failures and launched.launches == 0:
            failures = [DryFailure(kind="no_kernel", message="forward launches no Triton kernel")]
        builds = tuple(self._build(one) for one in launched.builds)
        return DryReport(builds=builds, failures=tuple(failures))

    def _build(self, raw: _Build) -> KernelBuild:
        found: Occupancy | None = None
        if raw.registers is not None:
            found = occupancy(
                self._gpu, warps=raw.num_warps, registers=raw.registers, shared_bytes=raw.shared_bytes
            )
        grid = tuple(raw.grid)
        in_waves = waves(self._gpu, (*grid, raw.num_ctas), found.blocks_per_sm) if found else None
        return KernelBuild(
            **raw.model_dump(exclude={"grid", "num_ctas", "stack_bytes"}), grid=grid,
            spill_bytes=raw.stack_bytes, occupancy=round(found.occupancy, _ROUNDING) if found else None,
            limiter=found.limiter if found else None,
            waves=None if in_waves is None else round(in_waves, _ROUNDING),
        )  # fmt: skip


def compiler_is_here() -> bool:
    """Tell whether Triton brings NVIDIA's assembler, without loading Triton."""
    triton = find_spec("triton")
    folders = triton.submodule_search_locations if triton is not None else None
    return any(Path(folder, *_ASSEMBLER).exists() for folder in folders or ())


def properties(gpu: GpuLimits) -> dict[str, Any]:
    """Return what `torch.cuda.get_device_properties` would say, in its own words."""
    major, minor = divmod(gpu.capability, 10)
    return {
        "name": gpu.name, "major": major, "minor": minor, "total_memory": gpu.memory_bytes,
        "multi_processor_count": gpu.num_sms, "warp_size": gpu.warp_size, "L2_cache_size": gpu.l2_bytes,
        "regs_per_multiprocessor": gpu.registers_per_sm,
        "max_threads_per_multi_processor": gpu.max_threads_per_sm,
        "max_threads_per_block": gpu.max_threads_per_block,
        "shared_memory_per_block": _ORDINARY_SHARED_BYTES,
        "shared_memory_per_block_optin": gpu.max_shared_bytes_per_block,
        "shared_memory_per_multiprocessor": gpu.shared_bytes_per_sm,
    }  # fmt: skip


def _replay(runner: Runner, seen: Seen) -> None:
    for launch in seen.launches:
        words = {"launch": launch.model_dump(mode="json"), "constants": seen.constants}
        runner.ask_plain({"op": "replay", **words})


def _until(runner: Runner, cases: list[CaseReference], wanted: frozenset[str], place: str) -> _Launched:
    for case in cases:
        launched = _parse(runner.ask_plain(_message(case, place)))
        if launched.failures or wanted <= {build.kernel for build in launched.builds}:
            break
    return launched


def _message(case: CaseReference, place: str) -> dict[str, Any]:
    inputs = [
        {"value": encode(spec.value)}
        if spec.shape is None or spec.dtype is None
        else {"shape": list(spec.shape), "dtype": dtype_name(spec.dtype)}
        for spec in case.inputs
    ]
    return {
        "op": "launch", "place": place, "init": encode(case.init), "dtype": case.case.dtype, "inputs": inputs,
    }  # fmt: skip


def _parse(raw: dict[str, Any]) -> _Launched:
    try:
        return _Launched.model_validate(raw)
    except ValidationError as error:
        where = str(error.errors()[0]["loc"])[:100]
        message = f"a malformed answer at {where}"
        return _Launched(
            builds=[], launches=0,
            failures=[_Failure(kind="crash", message=message, line=None, kernel=None, config={})],
        )  # fmt: skip


def _ended(raised: FaultRaised) -> DryFailure:
    kinds: dict[str, FailureKind] = {"timeout": "timeout", "memory": "memory", "crash": "crash"}
    phase = raised.phase or "crash"
    kind = kinds.get(phase, "candidate") if isinstance(raised.fault, Failed) else "crash"
    return DryFailure(kind=kind, message=raised.detail)
