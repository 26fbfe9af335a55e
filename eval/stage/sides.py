"""The two sides that a stage compares: the candidate and the current code, with all that is known of each."""

from __future__ import annotations

from collections.abc import Container
from functools import lru_cache
from typing import NamedTuple

from eval.base import Record
from eval.records import Violation
from eval.rules.reading import read
from eval.stage.configs import Settings, Tuned, kernels_of
from eval.stage.paths import Path, host_paths


class Launched(Record):
    """One kernel in one configuration, as it was launched by one call of `forward` on the official case."""

    kernel: str
    settings: Settings
    grid: tuple[int, ...]
    launches: int


class Counts(NamedTuple):
    """What one call of `forward` did, as its runner tells: how often by name."""

    launches: frozenset[tuple[str, int]] = frozenset()
    """By kernel."""
    operators: frozenset[tuple[str, int]] | None = frozenset()
    """By family of library operator; None where they were not looked at."""
    configs: frozenset[tuple[str, int]] = frozenset()
    """How many an autotuned kernel has."""


class Ran(Record):
    """What running a piece of code has shown; each part is None where it was not looked at."""

    launched: tuple[Launched, ...] | None = None
    """From a dry launch."""
    operators: dict[str, int] | None = None
    """Calls by family of library operator, in one call of `forward`."""
    launches: dict[str, int] | None = None
    """Launches by kernel, in one call of `forward`."""
    cases: dict[str, tuple[Counts, ...]] = {}
    """What calls did, by the case that they were on."""
    first: Counts = Counts()
    """What the first of them did: code may keep what it needs from then on."""

    def grids(self, kernel: str) -> dict[frozenset[tuple[str, object]], tuple[int, ...]]:
        """Return the grids of a kernel by block sizes, without sides of one program at their end."""
        launched = [one for one in self.launched or () if one.kernel == kernel]
        return {one.settings.blocks(): _without_ones(one.grid) for one in launched}


def _without_ones(grid: tuple[int, ...]) -> tuple[int, ...]:
    length = max((place for place, side in enumerate(grid, start=1) if side != 1), default=1)
    return grid[:length]


class Side(NamedTuple):
    """One piece of code."""

    kernels: dict[str, Tuned]
    paths: tuple[Path, ...] | None
    ran: Ran
    line: int
    """Of `forward`."""

    def place(self, kind: str, names: Container[str]) -> tuple[int, int]:
        """Return line and column of the first launch or operator so called, else of `forward`."""
        events = (event for path in self.paths or () for event in path.events)
        found = next((event for event in events if event.kind == kind and event.name in names), None)
        return (found.line, found.column) if found is not None else (self.line, 0)

    def launched_names(self) -> frozenset[str] | None:
        """Return the kernels that `forward` launches, or may launch; None where it is not known."""
        if self.ran.launches is not None:
            return frozenset(self.ran.launches)
        if self.paths is None:
            return None
        return frozenset(event.name for path in self.paths for event in path.events if event.kind == "launch")


def read_side(code: str, ran: Ran | None = None, *, by_text: bool = True) -> Side | None:
    """Return what is known of a piece of code; None where it does not parse.

    Not `by_text` believes it nothing that running can show.
    """
    return _read_text(code) if ran is None and by_text else _read(code, ran or Ran(), by_text=by_text)


@lru_cache(maxsize=16)
def _read_text(code: str) -> Side | None:
    """Keep what a text alone says: a current code is compared with many, and a candidate looked at twice."""
    return _read(code, Ran(), by_text=True)


def _read(code: str, ran: Ran, *, by_text: bool) -> Side | None:
    candidate = read(code)
    if isinstance(candidate, Violation):
        return None
    paths = host_paths(candidate) if by_text else None
    events = [event for path in paths for event in path.events if event.kind == "launch"] if paths else None
    kernels = kernels_of(candidate, events)
    if not by_text:
        kernels = {name: kernel.model_copy(update={"configs": None}) for name, kernel in kernels.items()}
    kernels = {name: _completed(kernel, ran) for name, kernel in kernels.items()}
    forward = candidate.reach.forward()
    return Side(kernels, paths, ran, getattr(forward.node, "lineno", 1) if forward is not None else 1)


def _completed(kernel: Tuned, ran: Ran) -> Tuned:
    """Return a kernel with the configs that a dry launch has shown, where the text leaves them open."""
    if kernel.configs is not None or ran.launched is None:
        return kernel
    found = {one.settings.key(): one.settings for one in ran.launched if one.kernel == kernel.name}
    if not found:
        return kernel
    placed = (
        settings.model_copy(update={"line": kernel.line, "column": kernel.column})
        for settings in found.values()
    )
    return kernel.model_copy(update={"configs": tuple(placed)})
