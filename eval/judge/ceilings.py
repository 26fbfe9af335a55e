"""The most that this GPU really does: copied bytes and multiplied matrices a second.

Each is measured at its first use and kept in a file of the user's cache folder, by GPU, driver and torch;
what cannot be measured falls back on the device's own properties, and says so.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

from eval.judge import gpu, measured
from eval.judge.conditions import disturbances

Source = Literal["measured", "spec"]
_COPY = "copy"
_VERSION = 1
"""Of how it is measured; figures of another one are not read."""


class Ceiling(NamedTuple):
    """One limit, in bytes or floating-point operations a second."""

    value: float
    source: Source


class Device(Protocol):
    """A GPU that can be measured."""

    def measure(self, what: str) -> float:
        """Return bytes a second for ``copy``, else operations a second of matrices of that kind.

        Raises:
            RuntimeError: it cannot be measured here, mostly for want of memory.

        """

    def spec(self, what: str) -> float | None:
        """Return the same by the device's properties; None where they do not say."""

    def undisturbed(self) -> bool:
        """Tell whether nothing was known to disturb it since this was last asked."""


class Ceilings:
    """The limits of one GPU."""

    def __init__(self, device: Device, key: str, folder: Path | None) -> None:
        """`key` names the GPU and all that its figures depend on; without a folder nothing is kept."""
        self._device, self._key = device, f"{key} v{_VERSION}"
        self._file = folder / "gpu_ceilings.json" if folder is not None else None
        self._known: dict[str, float] = {}

    def copy(self) -> Ceiling | None:
        """Return the bandwidth of a copy, bytes read plus bytes written; None where nothing is known."""
        return self._find(_COPY)

    def matmul(self, kind: str) -> Ceiling | None:
        """Return the speed of a large product of `kind`, as `measured.flops_a_second` takes it."""
        return self._find(kind)

    def spec(self, kind: str) -> float | None:
        """Return what a product of `kind` could do at most by the device's properties."""
        return self._device.spec(kind)

    def _find(self, what: str) -> Ceiling | None:
        kept = self._known.get(what) or _number(self._read().get(self._key, {}).get(what))
        if kept is not None:
            return Ceiling(kept, "measured")
        self._device.undisturbed()
        try:
            value = self._device.measure(what)
        except RuntimeError:
            spec = self._device.spec(what)
            return Ceiling(spec, "spec") if spec is not None else None
        if self._device.undisturbed():
            self._known[what] = value
            self._write(what, value)
        return Ceiling(value, "measured")

    def _read(self) -> dict[str, Any]:
        if self._file is None:
            return {}
        try:
            found = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        usable = isinstance(found, dict) and all(isinstance(row, dict) for row in found.values())
        return found if usable else {}

    def _write(self, what: str, value: float) -> None:
        if self._file is None:
            return
        rows = self._read()
        rows[self._key] = {**rows.get(self._key, {}), what: value}
        beside = self._file.with_suffix(f".{os.getpid()}")
        with contextlib.suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            beside.write_text(json.dumps(rows, indent=1), encoding="utf-8")
            beside.replace(self._file)


def _number(raw: Any) -> float | None:
    return raw if isinstance(raw, float) and math.isfinite(raw) and raw > 0 else None


def cache_folder() -> Path | None:
    """Return where a user's programs keep what they can make again; None for a user without a home."""
    said = os.environ.get("XDG_CACHE_HOME", "")
    if Path(said).is_absolute():
        return Path(said) / "kernel-harness"
    home = os.environ.get("HOME", "")
    return Path(home) / ".cache" / "kernel-harness" if Path(home).is_absolute() else None


class _Cuda:
    """Device 0 of this process."""

    def __init__(self) -> None:
        self._before = gpu.clocks()

    def measure(self, what: str) -> float:
        return measured.copy_bytes_a_second() if what == _COPY else measured.flops_a_second(what)

    def spec(self, what: str) -> float | None:
        if what != _COPY:
            return gpu.spec_flops_a_second(what)
        pins = gpu.pin_gb_per_s()
        return pins * 1e9 if pins is not None else None

    def undisturbed(self) -> bool:
        before, self._before = self._before, gpu.conditions_since(self._before)
        return not disturbances(before, self._before)


@cache
def here() -> Ceilings:
    """Return the limits of device 0, one object for the life of this process."""
    return Ceilings(_Cuda(), gpu.fingerprint(), cache_folder())
