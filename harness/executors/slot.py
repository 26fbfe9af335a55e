"""One slot: a place where one candidate at a time is judged, stopped after three failures in a row."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence

from eval import Failed, Job, JudgeFailedError, Verdict
from harness.executors.base import SlotStage, SlotState

STRIKES = 3
_DIED = {"crash", "memory"}
"""What a runner's death may look like; who died of the candidate dies of it again."""


class Slot(ABC):
    """Owned by one thread; `state` may be read, and `stop` called, by others."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.strikes = 0
        self._ended = False
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

    def start(self) -> bool:
        """Bring a judge up or begin to, where there is none; tell whether it is still to come up.

        What is submitted meanwhile can be announced with its first job.

        Raises:
            JudgeFailedError: it cannot be started.

        """
        self._stage = "checking"
        try:
            return self._start()
        except OSError as error:
            raise JudgeFailedError(f"the judge cannot be started: {error}", lost=True) from error
        finally:
            self._stage = "idle"

    def _start(self) -> bool:
        """Do what `start` is for, where that takes time."""
        return False

    def evaluate(self, job: Job, ahead: Sequence[Job] = ()) -> Verdict:
        """Judge one candidate, and once more where its runner died; a verdict clears the strikes.

        `ahead` are jobs that will probably come next.

        Raises:
            JudgeFailedError: with `lost` where the next try needs another judge.

        """
        self._stage, self._since = "judging", time.monotonic()
        try:
            verdict = self._judge(job, ahead)
            if isinstance(verdict, Failed) and verdict.phase in _DIED:
                verdict = self._judge(job, ahead)
            verdict = self._look_again(job, verdict)
        except OSError as error:
            raise JudgeFailedError(f"the judge process is gone: {error}", lost=True) from error
        finally:
            self._busy_s += time.monotonic() - self._since
            self._stage, self._since = "idle", None
        self._judged += 1
        self.strikes = 0
        return verdict

    def _look_again(self, job: Job, verdict: Verdict) -> Verdict:  # noqa: ARG002 - for slots that do
        """Return what becomes of a verdict once the candidate has been looked at in another way too."""
        return verdict

    def recover(self) -> None:
        """Bring up another judge; each that does not come up is a strike."""
        self._stage = "checking"
        while not self.stopped and not self._ended:
            try:
                self._bring_up()
            except JudgeFailedError as error:
                if not error.lost:
                    break
            except OSError:
                pass
            else:
                break
            self.strikes += 1
        self._stage = "idle"

    def forgive(self, names: Sequence[str]) -> None:
        """Take a strike back where this slot is among `names`: it was not the slot's fault."""
        if self.name in names and self.strikes:
            self.strikes -= 1

    def stop(self) -> None:
        """Tell the slot to end, without waiting until it has; what it is judging fails."""
        self._ended = True
        self._stop()

    @abstractmethod
    def _judge(self, job: Job, ahead: Sequence[Job]) -> Verdict: ...

    @abstractmethod
    def _bring_up(self) -> None:
        """Get a judge that works; raise `JudgeFailedError` or `OSError` where there is none."""

    @abstractmethod
    def _stop(self) -> None: ...

    @abstractmethod
    def close(self, *, in_haste: bool) -> None:
        """End the judge after `stop`, soon by force where `in_haste`."""
