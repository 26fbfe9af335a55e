"""The next candidate's trial, begun in a thread of its own while the verdict on this one is finished."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from eval.judge import baton
from eval.judge.faults import JudgeError

if TYPE_CHECKING:
    from eval.judge.device_trial import DeviceTrial
    from eval.records import Job


class Begun:
    """Works from the moment it is made, while the thread that made it waits for its own candidate."""

    def __init__(self, job: Job, trial: DeviceTrial) -> None:
        self.job, self._trial = job, trial
        self._failure: BaseException | None = None
        self._unwanted = False
        self._thread = threading.Thread(target=self._begin, daemon=True)
        self._thread.start()

    def _begin(self) -> None:
        with baton.held():
            try:
                if not self._unwanted:
                    self._trial.begin()
            except BaseException as failure:  # noqa: BLE001 - it is raised where the trial is taken
                self._failure = failure

    def taken(self) -> DeviceTrial:
        """Return the trial once it is begun.

        Raises:
            JudgeError: our own failure in it.

        """
        with baton.passed_on():
            self._thread.join()
        if self._failure is not None:
            raise self._failure
        return self._trial

    def drop(self) -> None:
        """End it: another candidate has come, or none."""
        self._unwanted = True
        self._trial.interrupt()
        with contextlib.suppress(JudgeError):
            self.taken().end()
