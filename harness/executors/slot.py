"""One slot: a judge on one device, replaced when it is lost, and stopped after three strikes."""

from __future__ import annotations

import time

from eval import Case, Job, Judge, JudgeFailedError, Limits, Problem, Verdict
from eval.devices import CudaDevice
from eval.records import SizeProfile
from harness.executors.base import SlotStage, SlotState

STRIKES = 3
_REFERENCE = """
import torch

class Model(torch.nn.Module):
    def forward(self, x):
        return x + 1

def get_inputs():
    return [torch.rand(16)]

def get_init_inputs():
    return []
"""
_CHECK = Job(
    problem=Problem(
        name="check", reference=_REFERENCE, sizes=(SizeProfile(name="full"),), cases=(Case(name="16"),),
        hash="check of a slot",
    ),
    code="no code (", timing=False, limits=Limits(seconds=60.0),
)  # fmt: skip
"""Brings a judge up, CUDA included, and runs no candidate."""


class Slot:
    """Owned by one thread; `state` may be read by others."""

    def __init__(self, name: str, device: str, gpu: CudaDevice | None = None) -> None:
        self.name = name
        self.judge = Judge(device, gpu.selector if gpu is not None else None)
        self._check = _CHECK.model_copy(update={"device": device})
        self.strikes = 0
        self._stage: SlotStage = "idle"
        self._judged, self._busy_s = 0, 0.0
        self._since: float | None = None

    @property
    def stopped(self) -> bool:
        """Tell whether it may be given no more work."""
        return self.strikes >= STRIKES

    def state(self) -> SlotState:
        """Return what it does now."""
        since = self._since
        running = time.monotonic() - since if since is not None else 0.0
        return SlotState(
            name=self.name, stage="stopped" if self.stopped else self._stage, judged=self._judged,
            busy_s=self._busy_s + running, strikes=self.strikes,
        )  # fmt: skip

    def evaluate(self, job: Job) -> Verdict:
        """Judge one candidate; a verdict clears the strikes.

        Raises:
            JudgeFailedError: with `lost` where the next try needs another judge.

        """
        self._stage, self._since = "judging", time.monotonic()
        try:
            verdict = self.judge.evaluate(job)
        except OSError as error:
            raise JudgeFailedError(f"the judge process is gone: {error}", lost=True) from error
        finally:
            self._busy_s += time.monotonic() - self._since
            self._stage, self._since = "idle", None
        self._judged += 1
        self.strikes = 0
        return verdict

    def recover(self) -> None:
        """Bring up another judge; each that does not come up is a strike."""
        self._stage = "checking"
        while not self.stopped:
            try:
                self.judge.evaluate(self._check)
            except JudgeFailedError as error:
                if not error.lost:
                    break
            except OSError:
                pass
            else:
                break
            self.strikes += 1
        self._stage = "idle"
