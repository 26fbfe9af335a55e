"""Judges on this machine: one process for each slot, a slot for each GPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from eval import Case, Job, Judge, Limits, Problem, Verdict
from eval.devices import CudaDevice, cuda_device_name
from eval.records import SizeProfile
from harness.executors.base import Recheck
from harness.executors.slot import Slot
from harness.executors.threads import SlotExecutor, to_stderr

_PATIENCE_SECONDS, _HASTE_SECONDS = 5.0, 1.5
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


class LocalSlot(Slot):
    """A judge process of our own."""

    def __init__(
        self, name: str, device: str, gpu: CudaDevice | None = None, recheck: Recheck | None = None
    ) -> None:
        super().__init__(name)
        self._gpu = gpu.selector if gpu is not None else None
        self.judge = Judge(device, self._gpu)
        self._recheck = recheck
        self._check = _CHECK.model_copy(update={"device": device})

    def _start(self) -> bool:
        return self.judge.start()

    def _judge(self, job: Job, ahead: Sequence[Job]) -> Verdict:
        return self.judge.evaluate(job, ahead)

    def _look_again(self, job: Job, verdict: Verdict) -> Verdict:
        return verdict if self._recheck is None else self._recheck(job, verdict, self._gpu)

    def _bring_up(self) -> None:
        self.judge.evaluate(self._check)

    def _stop(self) -> None:
        self.judge.stop()

    def close(self, *, in_haste: bool) -> None:
        """End the judge and every process below it."""
        self.judge.close(_HASTE_SECONDS if in_haste else _PATIENCE_SECONDS)


class LocalExecutor(SlotExecutor):
    """Runs up to `slots` jobs at once on this machine; each slot keeps its judge between jobs."""

    def __init__(
        self, device: str, slots: int = 1, *, gpus: Sequence[CudaDevice] = (),
        say: Callable[[str], None] = to_stderr, recheck: Recheck | None = None,
    ) -> None:  # fmt: skip
        """Take `slots` judges on `device`, or one on each of `gpus`; `say` is told of what is stopped."""
        self.device: Literal["cuda", "cpu"] = "cuda" if device == "cuda" else "cpu"
        named = gpus[0].name if gpus else cuda_device_name()
        self.gpu_name = named if device == "cuda" else None
        own = [LocalSlot(f"GPU {gpu.index}", device, gpu, recheck) for gpu in gpus]
        others = [] if own else [f"{device} {number}" for number in range(slots)]
        super().__init__([*own, *(LocalSlot(name, device, recheck=recheck) for name in others)], say)
