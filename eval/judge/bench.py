"""What one judge keeps between candidates: the warm zygote, the environment, the timed baselines.

On a GPU also the next candidate's trial, which may have begun.
"""

from __future__ import annotations

import contextlib
import platform
import sys
import threading
from collections import deque
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

import torch
from pydantic import ValidationError

from eval import EVALUATOR_VERSION
from eval.dry_launch.gate import CompileGate
from eval.judge import baton
from eval.judge.begun import Begun
from eval.judge.beside import Beside
from eval.judge.faults import BrokenJudgeError
from eval.judge.lookahead import Lookahead
from eval.judge.processes import Zygote
from eval.judge.shapes import has_one_size, tried_on_all
from eval.judge.stage import StageJudge
from eval.judge.trial import Trial
from eval.records import Environment, Job, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from eval.judge.device_trial import Baselines, DeviceTrial
    from eval.stage.sides import Counts


class Bench:
    """Judges one job after another on one device."""

    def __init__(self, *, cuda: bool) -> None:
        torch.set_num_threads(1)
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
        self._cuda = cuda
        self._zygote = Zygote(cuda=cuda)
        if cuda:  # which every job needs: what is loaded by the end of this is left out of collections
            import_module("eval.judge.device_trial")
        self._environment = self._describe()
        self._baselines: Baselines | None = None
        self._gate = CompileGate()
        self._lookahead = Lookahead(self._zygote) if cuda else None
        self._begun: deque[Begun] = deque()
        """The next candidates' trials: of several the last one alone may be timed."""
        self._stage = StageJudge(self._zygote, cuda=cuda, alone=self._alone)
        self._counts: tuple[dict[str, set[Counts]], dict[str, set[Counts]]] = {}, {}
        """What calls of the candidate did, and timed ones of the current code, by case, on all its sizes."""

    def _describe(self) -> Environment:
        versions = self._zygote.versions
        common = Environment(
            evaluator=EVALUATOR_VERSION, python=sys.version.split()[0], platform=platform.platform(),
            torch=str(versions["torch"]), triton=str(versions["triton"]),
        )  # fmt: skip
        if not self._cuda:
            return common
        from eval.judge.gpu import identity

        return common.model_copy(update=identity())

    @property
    def healthy(self) -> bool:
        """Tell whether what was judged last left nothing behind that disturbs the next."""
        return self._zygote.healthy and self._gate.healthy and self._stage.healthy

    def announce(self, text: str) -> None:
        """Take note of a job that may come after the next one; on the CPU there is nothing to prepare."""
        if self._lookahead is not None:
            with baton.held(), contextlib.suppress(ValidationError):
                self._lookahead.announce(Job.model_validate_json(text))

    def judge(self, job: Job) -> Verdict:
        """Judge one candidate.

        Raises:
            JudgeError: our own failure.

        """
        self._counts = {}, {}
        if self._lookahead is None:
            tried = self._judged(Trial(job, self._zygote, self._environment, self._gate))
            return self._stage.decided(job, tried, *self._counts)
        with baton.held():
            self._lookahead.begin(job, [one.job for one in self._begun if one.job != job])
            try:
                tried = tried_on_all(job, partial(self._tried, self._lookahead, has_one_size(job)))
            finally:
                self._lookahead.end()
            return self._stage.decided(job, tried, *self._counts)

    def _judged(self, trial: Trial) -> Verdict:
        verdict = trial.judge()
        self._counts[0].update(trial.counts)
        self._counts[1].update(trial.current_counts)
        return verdict

    def _tried(self, lookahead: Lookahead, only_size: bool, job: Job) -> Verdict:
        """Try a job on one size; where it is not the only one, nothing of another begins between them."""
        from eval.judge.device_trial import Baselines

        if self._begun and self._begun[0].job == job and self._fits(job):
            trial = self._begun.popleft().taken()
            if trial is not None:
                return self._judged(trial)
        self._alone()
        if self._baselines is None or not self._baselines.fits(job):
            if self._baselines is not None:
                lookahead.drop()
                self._baselines.close()
                self._baselines = None
            self._baselines = Baselines(job, self._zygote, spares=only_size)
        begin = partial(self._begin_next, self._baselines, lookahead) if only_size else _nothing
        return self._judged(self._trial(job, self._baselines, lookahead, lookahead.cache, begin, _at_once))

    def _fits(self, job: Job) -> bool:
        return self._baselines is not None and self._baselines.fits(job)

    def _alone(self) -> bool:
        """End what has begun for the next candidates; False where nothing had."""
        had = bool(self._begun)
        while self._begun:
            self._begun.popleft().drop()
        return had

    def _trial(
        self, job: Job, baselines: Baselines, lookahead: Lookahead, cache: Callable[[], bytes | None],
        begin: Callable[[], None], wait: Callable[[], float],
    ) -> DeviceTrial:  # fmt: skip
        from eval.judge.device_trial import DeviceTrial

        return DeviceTrial(
            job, self._zygote, self._environment, baselines, lookahead,
            cache=cache, beside=Beside(begin, self._release, self._alone, wait),
        )  # fmt: skip

    def _release(self) -> None:
        for one in self._begun:
            one.go_on()

    def _begin_next(
        self, baselines: Baselines, lookahead: Lookahead, free: threading.Event | None = None
    ) -> None:  # fmt: skip
        """Begin with the next candidate, where all is ready for it; if that is wrong, with the one after it.

        The event `free` is set where the GPU is theirs; without one, `_release` says so.
        """
        job = lookahead.next(baselines)
        if job is None:
            return
        cache, begin = partial(lookahead.compiled, job), partial(self._begin_next, baselines, lookahead)
        free = free or threading.Event()
        trial = self._trial(job, baselines, lookahead, cache, begin, partial(baton.wait_for, free))
        then = partial(self._begin_next, baselines, lookahead, free)
        with contextlib.suppress(RuntimeError):  # there are too many threads
            self._begun.append(Begun(job, trial, free, then))

    def close(self) -> None:
        """End all runners."""
        with baton.held(), contextlib.suppress(BrokenJudgeError):
            self._alone()
        if self._lookahead is not None:
            with contextlib.suppress(BrokenJudgeError):
                self._lookahead.close()
        if self._baselines is not None:
            self._baselines.close()
        self._gate.close()
        self._stage.close()
        self._zygote.close()


def _nothing() -> None:
    """Begin with nobody."""


def _at_once() -> float:
    """Wait for nobody."""
    return 0.0
