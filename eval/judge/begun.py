"""The next candidate's trial, begun in a thread of its own while the verdict on this one is finished."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from eval.judge import baton
from eval.judge.faults import BrokenJudgeError

if TYPE_CHECKING:
    from eval.judge.device_trial import DeviceTrial
    from eval.records import Job

_PATIENCE_SECONDS = 60.0
"""How long its candidate is kept for a job that does not come: nobody watches what it does meanwhile."""


class Begun:
    """Works from the moment it is made, while the thread that made it waits for its own candidate."""

    def __init__(
        self, job: Job, trial: DeviceTrial, free: threading.Event, then: Callable[[], None]
    ) -> None:  # fmt: skip
        """`trial` waits for `free` before it uses the GPU; `then` is called where it will not be timed."""
        self.job, self._trial, self._free, self._then = job, trial, free, then
        self._failure: BaseException | None = None
        self._done, self._asked_for = threading.Event(), threading.Event()
        self._over = False
        threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        with baton.held():
            try:
                if not self._asked_for.is_set():
                    self._trial.begin()
                    if self._trial.is_wrong:
                        self._then()
            except BaseException as failure:  # noqa: BLE001 - its owner is whoever waits for `_done`
                self._failure = failure
            self._done.set()
        if not self._asked_for.wait(_PATIENCE_SECONDS):
            with baton.held():
                self._give_up()

    def _give_up(self) -> None:
        if not self._asked_for.is_set() and self._failure is None:
            self._over = True
            self._trial.end()

    def go_on(self) -> None:
        """Let it use the GPU, where nothing is measured any more."""
        self._free.set()

    def _wait(self) -> None:
        self._asked_for.set()
        self.go_on()
        with baton.passed_on():
            self._done.wait()
        if isinstance(self._failure, BrokenJudgeError):
            raise self._failure

    def taken(self) -> DeviceTrial | None:
        """Return the trial as far as it has come; None where it came to nothing that can be relied on.

        What was the candidate's own fault, or ours, shows again when it is tried alone.

        Raises:
            BrokenJudgeError: something may be left of it.

        """
        self._wait()
        if self._over or self._failure is not None:
            return None
        if self._trial.may_be_the_company:
            self._trial.end()
            return None
        return self._trial

    def drop(self) -> None:
        """End it: another candidate has come, or none.

        Raises:
            BrokenJudgeError: something may be left of it.

        """
        self._trial.interrupt()
        self._wait()
        if not self._over and self._failure is None:
            self._trial.end()
