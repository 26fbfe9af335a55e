"""The next candidate's trial, begun in a thread of its own while the verdict on this one is finished.

Where that is wrong, the one after it begins in a thread of its own, too.
"""

from __future__ import annotations

import threading
import traceback
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
        self._over, self._goes_on = False, True
        threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        with baton.held():
            try:
                if not self._asked_for.is_set():
                    self._trial.begin()
            except BaseException as failure:  # noqa: BLE001 - its owner is whoever waits for `_done`
                self._failure = failure
            self._go_on_to_another()
            self._done.set()
        if not self._asked_for.wait(_PATIENCE_SECONDS):
            with baton.held():
                self._give_up()

    def _go_on_to_another(self) -> None:
        """Begin with the one after it, where this one will not be timed."""
        try:
            if self._failure is None and self._goes_on and self._trial.is_wrong:
                self._then()
        except BrokenJudgeError as failure:
            self._failure = failure
        except Exception:  # noqa: BLE001 - it shows again when that one is tried alone
            traceback.print_exc()

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
        self._goes_on = False
        self._trial.interrupt()
        self._wait()
        if not self._over and self._failure is None:
            self._trial.end()
