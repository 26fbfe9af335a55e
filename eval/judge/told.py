"""What a runner tells of its own kernels and of the tuner's choice: for looking at, never believed."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import torch

from eval.judge.faults import FaultRaised
from eval.records import ConfigTime, KernelTime

if TYPE_CHECKING:
    from eval.judge.calls import Caller
    from eval.judge.reference import CaseReference
    from eval.judge.runner import Runner

_CALLS = 3
_MOST_ROWS = 64


class UntrustedDetails:
    """Kernel shares and configuration times of a candidate; what its runner does not say is not there."""

    def __init__(self, runner: Runner) -> None:
        """Have the runner open its profiler, and do not wait for it: that does not touch the GPU."""
        self._runner = runner
        self._asked: str | None = None
        self._open = self._profiled = False
        with suppress(FaultRaised):
            self._asked = runner.question({"op": "open_profile"})

    def begin_profile(self, caller: Caller, case: CaseReference, key: str) -> None:
        """Have it call the candidate a few times under the profiler, with nobody beside it on the GPU."""
        prepared = None
        with suppress(torch.OutOfMemoryError):  # the next candidate may take memory by now
            prepared = caller.prepare(case, caller.dense[0])  # while the profiler is opened
        self._open = self._answered()
        if not self._open or prepared is None:
            return
        with suppress(FaultRaised, torch.OutOfMemoryError):
            caller.renew(self._runner, key)
            torch.cuda.synchronize()
            message = {"op": "profile", "key": key, "inputs": prepared.message, "calls": _CALLS}
            self._asked = self._runner.question(message)

    def end_profile(self) -> None:
        """Wait until it has: from then on others may use the GPU."""
        self._profiled = self._answered()

    def _answered(self) -> bool:
        """Wait for the answer to what was asked last; False where nothing was, or it failed."""
        asked, self._asked = self._asked, None
        if asked is None:
            return False
        self._runner.begin_waiting()
        with suppress(FaultRaised):
            self._runner.answer(asked)
            return True
        return False

    def fields(self, own: tuple[str, ...]) -> dict[str, Any]:
        """Close the profiler, and return what it tells as fields of `Timing`.

        `own` are names of the candidate's kernels.
        """
        if not self._open:
            return {}
        try:
            raw = self._runner.ask_plain({"op": "details"})
        except FaultRaised:
            return {}
        if not self._profiled:
            return {}
        configs, chosen = config_times(raw.get("timings"))
        return {"kernels": kernel_shares(raw.get("kernels"), own), "configs": configs, "chosen": chosen}


def kernel_shares(raw: Any, own: tuple[str, ...]) -> tuple[KernelTime, ...]:
    """Read the runner's profile: device time by kernel, each with its share of the sum."""
    rows = [row for row in raw if _is_kernel_row(row)] if isinstance(raw, list) else []
    total = sum(row["ms"] for row in rows)
    if not total > 0:
        return ()
    return tuple(
        KernelTime(
            name=row["name"], ms=row["ms"], share=row["ms"] / total,
            own=any(row["name"] == name or row["name"].startswith(name) for name in own),
        )
        for row in rows[:_MOST_ROWS]
    )  # fmt: skip


def _is_kernel_row(row: Any) -> bool:
    return (
        isinstance(row, dict)
        and isinstance(row.get("name"), str)
        and isinstance(row.get("ms"), float)
        and 0 <= row["ms"] < float("inf")
    )


def config_times(raw: Any) -> tuple[tuple[ConfigTime, ...], dict[str, Any] | None]:
    """Read the runner's tuner: time of each configuration in ms, and the one it chose."""
    rows, chosen = [], None
    for row in raw[:_MOST_ROWS] if isinstance(raw, list) else []:
        if not isinstance(row, dict) or not isinstance(row.get("config"), dict):
            continue
        ms = row.get("ms")
        rows.append(
            ConfigTime(
                kernel=str(row.get("kernel"))[:120],
                config=row["config"],
                ms=ms if isinstance(ms, float) else None,
            )
        )
        if row.get("chosen") is True:
            chosen = row["config"]
    return tuple(rows), chosen
