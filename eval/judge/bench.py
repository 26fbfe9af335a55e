"""What one judge keeps between candidates: the warm zygote, the environment, the timed baselines."""

from __future__ import annotations

import contextlib
import platform
import sys
from typing import TYPE_CHECKING

import torch
from pydantic import ValidationError

from eval import EVALUATOR_VERSION
from eval.dry_launch.gate import CompileGate
from eval.judge.lookahead import Lookahead
from eval.judge.processes import Zygote
from eval.judge.shapes import tried_on_all
from eval.judge.stage import StageJudge
from eval.judge.trial import Trial
from eval.records import Environment, Job, Verdict

if TYPE_CHECKING:
    from eval.judge.device_trial import Baselines


class Bench:
    """Judges one job after another on one device."""

    def __init__(self, *, cuda: bool) -> None:
        torch.set_num_threads(1)
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
        self._cuda = cuda
        self._zygote = Zygote(cuda=cuda)
        self._environment = self._describe()
        self._baselines: Baselines | None = None
        self._gate = CompileGate()
        self._lookahead = Lookahead(self._zygote) if cuda else None
        self._stage = StageJudge(self._zygote, cuda=cuda)

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
            with contextlib.suppress(ValidationError):
                self._lookahead.announce(Job.model_validate_json(text))

    def judge(self, job: Job) -> Verdict:
        """Judge one candidate.

        Raises:
            JudgeError: our own failure.

        """
        if self._lookahead is None:
            return self._stage.decided(job, self._tried(job))
        self._lookahead.begin(job)
        try:
            tried = tried_on_all(job, self._tried)
        finally:
            self._lookahead.end()
        return self._stage.decided(job, tried)

    def _tried(self, job: Job) -> Verdict:
        if self._lookahead is None:
            return Trial(job, self._zygote, self._environment, self._gate).judge()
        from eval.judge.device_trial import Baselines, DeviceTrial

        if self._baselines is None or not self._baselines.fits(job):
            if self._baselines is not None:
                self._lookahead.drop()
                self._baselines.close()
                self._baselines = None
            self._baselines = Baselines(job, self._zygote, following=self._lookahead.following)
        return DeviceTrial(job, self._zygote, self._environment, self._baselines, self._lookahead).judge()

    def close(self) -> None:
        """End all runners."""
        if self._lookahead is not None:
            self._lookahead.close()
        if self._baselines is not None:
            self._baselines.close()
        self._gate.close()
        self._stage.close()
        self._zygote.close()
