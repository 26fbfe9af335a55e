"""GPU files by name, alias, device name or path, checked against what their compute capability allows."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from eval.client import cuda_device_name
from harness.data import prompts_dir
from harness.errors import EnvironmentFailure, UsageError
from harness.files import close_words, parse_toml, read_text, text_hash, validated
from harness.prompts.gpu_records import VENDORS, GpuSpec, NvidiaGpu

AUTO = "auto"


def gpu_names() -> tuple[str, ...]:
    """Return the names of the GPUs that ship with the harness, sorted."""
    return tuple(sorted(path.stem for path in _folder().glob("*.toml")))


def load_gpu(name: str) -> GpuSpec:
    """Read a GPU by name, alias, torch device name, path of a file, or ``auto`` for the one present.

    Raises `UsageError`: no such GPU, or its file does not hold what it must.
    Raises `EnvironmentFailure`: ``auto`` without a GPU.
    """
    if name.endswith(".toml"):
        return read_gpu(Path(name))
    if name == AUTO:
        return load_gpu(present_device())
    wanted = _slug(name)
    if wanted and (_folder() / f"{wanted}.toml").is_file():
        return read_gpu(_folder() / f"{wanted}.toml")
    known = _aliases()
    wanted = wanted if wanted in known else _joined().get(wanted.replace("_", ""), wanted)
    if wanted not in known:
        close = dict.fromkeys(known[word] for word in close_words(wanted, known))
        guess = f"; the nearest: {', '.join(close)}" if close else ""
        raise UsageError(f"unknown GPU {name!r}{guess}; `kernel-harness gpus` lists them all")
    return read_gpu(_folder() / f"{known[wanted]}.toml")


def read_gpu(path: Path) -> GpuSpec:
    """Read and check one GPU file.

    Raises `UsageError`: a key that is unknown, missing or wrong, or a limit that cannot be.
    """
    text = read_text(path)
    data = parse_toml(text, path)
    vendor = data.get("vendor")
    if vendor not in VENDORS:
        raise UsageError(f"{path}: vendor: is {vendor!r}; there are: {', '.join(VENDORS)}")
    spec = validated(VENDORS[vendor], data, path, name=path.stem, hash=text_hash(text))
    if isinstance(spec, NvidiaGpu):
        _check_limits(spec, path)
    return spec


def present_device() -> str:
    """Return the name of the first GPU of this machine, as torch tells it.

    Raises `EnvironmentFailure`: there is none.
    """
    found = cuda_device_name()
    if found is None:
        raise EnvironmentFailure("`--gpu auto` finds no NVIDIA GPU on this machine: name one")
    return found


@cache
def capability_limits() -> dict[str, dict[str, int]]:
    """Return the limits of each compute capability, by field of `NvidiaGpu`."""
    path = prompts_dir() / "compute_capability.toml"
    return validated(dict[str, dict[str, int]], parse_toml(read_text(path), path), path)


def _check_limits(spec: NvidiaGpu, path: Path) -> None:
    if spec.max_warps_per_sm * spec.warp_size != spec.max_threads_per_sm:
        raise UsageError(f"{path}: max_threads_per_sm: is not max_warps_per_sm times warp_size")
    for field, limit in capability_limits().get(spec.compute_capability, {}).items():
        if getattr(spec, field) != limit:
            raise UsageError(
                f"{path}: {field}: is {getattr(spec, field)}; "
                f"compute capability {spec.compute_capability} has {limit}"
            )


def _folder() -> Path:
    return prompts_dir() / "gpus"


def _slug(word: str) -> str:
    """Return a word in the form of a name, so that case, blanks and hyphens do not matter."""
    return re.sub(r"[^a-z0-9]+", "_", word.lower()).strip("_")


@cache
def _aliases() -> dict[str, str]:
    known: dict[str, str] = {}
    for name in gpu_names():
        spec = read_gpu(_folder() / f"{name}.toml")
        for word in (name, spec.label, *spec.aliases, *spec.device_names, *spec.legacy_device_names):
            if known.setdefault(_slug(word), name) != name:
                raise UsageError(f"{word!r} names two GPUs: {known[_slug(word)]} and {name}")
    return known


@cache
def _joined() -> dict[str, str]:
    """Return aliases and products by their letters and digits alone, where those are of one: ``rtx4090``."""
    products = ((_slug(read_gpu(_folder() / f"{name}.toml").product), name) for name in gpu_names())
    found: dict[str, set[str]] = {}
    for word, name in (*_aliases().items(), *products):
        found.setdefault(word.replace("_", ""), set()).add(name)
    return {word: next(iter(names)) for word, names in found.items() if len(names) == 1}
