"""``kernel-harness doctor``: what this installation and this machine can do, and what is missing."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer

from eval import EVALUATOR_VERSION
from eval.records import Record
from eval.runner.sandbox import SandboxReport
from harness.data import data_root
from harness.llm.spec import DEFAULT_KEY, OPENAI_URL, public_url
from harness.machine import Gpu, Profiler, Sanitizer, gpus, profiler, sanitizer, walls

_PACKAGES = ("kernel-harness", "torch", "triton", "numpy", "pydantic", "openai", "nvidia-ml-py")
_NEEDED = ("torch", "triton", "numpy")


class Endpoint(Record):
    """Where `collect` asks if it is told nothing; the key itself is never shown."""

    url: str
    key_variable: str
    key_is_set: bool


class Diagnosis(Record):
    """All that `doctor` finds out."""

    python: str
    executable: str
    platform: str
    evaluator: str
    packages: dict[str, str | None]
    """Version by name; None is not installed."""
    data: str
    """Folder of the prompts and the problems."""
    gpus: tuple[Gpu, ...]
    profiler: Profiler
    sanitizer: Sanitizer
    sandbox: SandboxReport
    """As a runner on this machine gets it: with a GPU where there is one."""
    endpoint: Endpoint


def command(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Say what this machine has: versions, GPU, profiler, sandbox, endpoint."""
    found = diagnose()
    sys.stdout.write(f"{found.model_dump_json()}\n" if as_json else "".join(f"{x}\n" for x in _lines(found)))


def diagnose() -> Diagnosis:
    """Look at this machine; runs no kernel and asks no endpoint."""
    present = gpus()
    return Diagnosis(
        python=platform.python_version(),
        executable=sys.executable,
        platform=platform.platform(),
        evaluator=EVALUATOR_VERSION,
        packages={name: _version(name) for name in _PACKAGES},
        data=str(data_root()),
        gpus=present,
        profiler=profiler(),
        sanitizer=sanitizer(),
        sandbox=walls(cuda=bool(present)),
        endpoint=Endpoint(
            url=public_url(os.environ.get("OPENAI_BASE_URL") or OPENAI_URL),
            key_variable=DEFAULT_KEY,
            key_is_set=bool(os.environ.get(DEFAULT_KEY, "").strip()),
        ),
    )


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _lines(found: Diagnosis) -> Iterator[str]:
    yield _row("python", f"{found.python}, {found.executable}, {found.platform}")
    for name, installed in found.packages.items():
        yield _row(name, installed or "not installed")
    yield _row("evaluator", found.evaluator)
    yield _row("data files", found.data)
    for gpu in found.gpus:
        yield _row("GPU", ", ".join(_gpu(gpu)))
    yield _row("profiler", _profiler(found.profiler))
    yield _row("sanitizer", _sanitizer(found.sanitizer))
    yield _row("sandbox", ", ".join(found.sandbox.active) or "no level is available")
    notes = dict(note.split(": ", 1) for note in found.sandbox.notes)
    for level in found.sandbox.missing:
        yield _row("", f"missing: {level} ({notes.get(level, 'not available here')})")
    key = "set" if found.endpoint.key_is_set else "not set"
    yield _row("endpoint", f"{found.endpoint.url}, {found.endpoint.key_variable} is {key}")
    yield _row("eval", _judging(found))


def _row(name: str, text: str) -> str:
    return f"{name:<16}{text}"


def _gpu(gpu: Gpu) -> Iterator[str]:
    yield gpu.name
    if gpu.driver is not None:
        yield f"driver {gpu.driver}"
    if gpu.memory_gb is not None:
        yield f"{gpu.memory_gb:.1f} GB"
    if gpu.sm_clock_mhz is not None:
        yield f"SM clock {gpu.sm_clock_mhz} of {gpu.max_sm_clock_mhz or '?'} MHz"
    if gpu.temperature_c is not None:
        yield f"{gpu.temperature_c} °C"
    if gpu.power_limit_w is not None:
        yield f"limited to {gpu.power_limit_w:.0f} W"


def _profiler(found: Profiler) -> str:
    if found.path is None:
        return "Nsight Compute (ncu) is not installed"
    permission = {
        True: "may read the counters",
        False: "only administrators may read the counters (ERR_NVGPUCTRPERM)",
        None: "the driver does not say who may read the counters",
    }
    return (
        f"Nsight Compute {found.version or 'of unknown version'}, {found.path}; {permission[found.permitted]}"
    )


def _sanitizer(found: Sanitizer) -> str:
    if found.path is None:
        return "compute-sanitizer is not installed"
    return f"compute-sanitizer {found.version or 'of unknown version'}, {found.path}"


def _judging(found: Diagnosis) -> str:
    missing = [name for name in _NEEDED if found.packages[name] is None]
    if missing:
        return f"not possible: {', '.join(missing)} missing; pip install 'kernel-harness[eval]'"
    torch = found.packages["torch"] or ""
    if found.gpus and torch.endswith("+cpu"):
        return f"with --device cpu alone: torch {torch} cannot use the GPU; install a CUDA build"
    if found.gpus:
        return f"on {found.gpus[0].name}"
    return "on the CPU, in Triton's interpreter: right or wrong, never timed"
