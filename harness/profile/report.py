"""What ``ncu --csv --page raw --print-units base`` prints, as the metrics that a prompt shows."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Mapping, Sequence

from eval.records import Record
from harness.errors import UsageError
from harness.files import nearest

DURATION = "gpu__time_duration.sum"
"""In nanoseconds; collected always, since launches of one kernel are weighted by it."""
_KERNEL = "Kernel Name"
_DECIMALS = 2
_FRACTIONS = re.compile(r"pct|\.ratio$|waves_per|per_second")


class KernelReport(Record):
    """One kernel of ``forward``, all its launches taken together."""

    name: str
    """Without return type, namespaces, template arguments and parameters."""
    launches: int
    duration_ns: float
    """Of all launches."""
    values: dict[str, float]
    """By metric; a counter that gave no number is missing."""


def read_report(text: str, source: str = "the report") -> tuple[KernelReport, ...]:
    """Return the kernels of a report, in the order of their first launch.

    Values of several launches: totals (``.sum``) are added, ``launch__*`` are those of the longest
    launch, all else is the mean weighted by duration.

    Raises `UsageError`: it is no such report, or it holds no kernel.
    """
    rows = list(csv.reader(line for line in text.splitlines() if line.startswith('"')))
    if len(rows) < 2 or _KERNEL not in rows[0]:  # noqa: PLR2004 - names and units
        raise UsageError(f"{source}: holds no kernel; was anything launched between the profiler's marks?")
    names, units, launches = rows[0], rows[1], rows[2:]
    if DURATION in names and units[names.index(DURATION)] not in {"ns", "nsecond"}:
        raise UsageError(f"{source}: {DURATION} is not in ns; take the report with --print-units base")
    grouped: dict[str, list[dict[str, float]]] = {}
    for row in launches:
        said = dict(zip(names, row, strict=False))
        grouped.setdefault(clean_name(said.get(_KERNEL, "")), []).append(_numbers(said))
    if not grouped:
        raise UsageError(f"{source}: holds no kernel; was anything launched between the profiler's marks?")
    return tuple(_merged(name, group) for name, group in grouped.items())


def prompt_metrics(
    kernels: Iterable[KernelReport], metrics: Sequence[str], own: Iterable[str] | None = None
) -> dict[str, dict[str, int | float]]:
    """Return the prompt's JSON: metrics in the order of `metrics`, two decimals, counts as integers.

    `own` are the kernels of the code, which prompts show; None keeps those of libraries too.
    """
    wanted = None if own is None else set(own)
    found = {
        kernel.name: {name: _shown(name, kernel.values[name]) for name in metrics if name in kernel.values}
        for kernel in kernels
        if wanted is None or kernel.name in wanted
    }
    return {name: values for name, values in found.items() if values}


def unknown_metrics(metrics: Iterable[str], query: str) -> dict[str, str]:
    """Return the metrics that a chip does not have, each with the nearest that it has.

    `query` is what ``ncu --query-metrics`` prints for the chip. ``launch__*`` exist on every chip and
    stand in no query.
    """
    words = (line.split() for line in query.splitlines())
    known = [line[0] for line in words if line and "__" in line[0]]
    bases = {metric: metric.partition(".")[0] for metric in metrics}
    return {
        metric: nearest(base, known).removeprefix("; ")
        for metric, base in bases.items()
        if not base.startswith("launch__") and base not in known
    }


def clean_name(name: str) -> str:
    """Return ``CatArrayBatchedCopy`` for ``void at::<unnamed>::CatArrayBatchedCopy<float, 4>(float *)``."""
    kept: list[str] = []
    depth = 0
    for letter in re.sub(r"<unnamed>::|\(anonymous namespace\)::", "", name):
        if letter == "(" and depth == 0:
            break
        depth += (letter == "<") - (letter == ">")
        if depth == 0 and letter != ">":
            kept.append(letter)
    words = "".join(kept).split()
    return words[-1].rpartition("::")[2] if words else name


def _numbers(said: Mapping[str, str]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, text in said.items():
        try:
            value = float(text.replace(",", ""))
        except ValueError:
            continue
        if "__" in name and math.isfinite(value):
            found[name] = value
    return found


def _merged(name: str, launches: Sequence[Mapping[str, float]]) -> KernelReport:
    weights = [launch.get(DURATION, 0.0) for launch in launches]
    longest = launches[weights.index(max(weights))]
    values: dict[str, float] = {}
    for metric in dict.fromkeys(metric for launch in launches for metric in launch):
        there = [
            (launch[metric], weight)
            for launch, weight in zip(launches, weights, strict=True)
            if metric in launch
        ]
        total = sum(weight for _, weight in there)
        if metric.startswith("launch__"):
            values[metric] = longest.get(metric, there[0][0])
        elif metric.endswith(".sum"):
            values[metric] = sum(value for value, _ in there)
        elif total > 0:
            values[metric] = sum(value * weight for value, weight in there) / total
        else:
            values[metric] = sum(value for value, _ in there) / len(there)
    return KernelReport(name=name, launches=len(launches), duration_ns=sum(weights), values=values)


def _shown(metric: str, value: float) -> int | float:
    if _FRACTIONS.search(metric) is None and value == int(value):
        return int(value)
    return round(value, _DECIMALS)
