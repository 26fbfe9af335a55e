"""What a prompt is made of beside problem, stage and GPU: code, metrics, feedback on an attempt, history."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from harness.errors import UsageError
from harness.files import nearest, read_text
from harness.metrics import Metrics, load_metrics
from harness.problems import ProblemFolder, load_problem
from harness.prompts import GpuSpec, Stage, load_gpu
from harness.records import Attempt


class Sources:
    """What the options hand in beside problem, stage and GPU."""

    def __init__(
        self,
        code: Path | None,
        metrics: Path | None,
        feedback: str | None,
        history: str | None,
        store: Path,
        looked_at: tuple[ProblemFolder, GpuSpec] | None,
    ) -> None:
        """`feedback` is a file or the id of an attempt in the store; `looked_at` is for its resources."""
        self.code = _filled(code)
        self.metrics: Metrics | None = load_metrics(metrics) if metrics else None
        self.feedback: str | None = None
        self.failed_code: str | None = None
        """The candidate that the feedback speaks of."""
        if feedback is not None and Path(feedback).exists():
            self.feedback = _filled(Path(feedback))
        elif feedback is not None:
            attempt = _attempt(feedback, store)
            self.feedback = _feedback_on(attempt, looked_at)
            self.failed_code = attempt.candidate.code if attempt.candidate is not None else None
        self.history = _history_of(history, store) if history is not None else None

    def code_for(self, stage: Stage) -> str | None:
        """Return the current code: a stage that needs feedback starts from what the feedback is on."""
        return self.code or (self.failed_code if "feedback" in stage.needs else None)


def _attempt(name: str, store: Path) -> Attempt:
    from harness.store import Store

    if not store.exists():
        raise UsageError(f"{name}: there is no such file, and no store at {store} with an attempt of this id")
    with Store(store, read_only=True) as opened:
        return opened.attempt(name)


def looked_at(problem: str, gpu: str | None) -> tuple[ProblemFolder, GpuSpec]:
    """Return where kernels are launched dry for ``--resources``.

    Raises `UsageError`: no GPU is named, or Triton is not there.
    """
    if gpu is None:
        raise UsageError("--resources are those of one GPU: name it with --gpu")
    if find_spec("triton") is None or find_spec("torch") is None:
        raise UsageError("--resources needs torch and triton: pip install 'kernel-harness[eval]'")
    return load_problem(problem), load_gpu(gpu)


def _feedback_on(attempt: Attempt, looked_at: tuple[ProblemFolder, GpuSpec] | None) -> str:
    from harness.prompts import feedback
    from harness.prompts.dry import dry_builds

    if looked_at is None or attempt.candidate is None:
        return feedback(attempt)
    problem, gpu = looked_at
    return feedback(attempt, dry_builds(problem.problem, attempt.candidate.code, gpu))


def _history_of(run: str, store: Path) -> str:
    from harness.prompts import history
    from harness.store import Store

    with Store(store, read_only=True) as opened:
        known = [info.id for info in opened.runs()]
        if run not in known:
            raise UsageError(f"no run {run!r} in {store}{nearest(run, known)}")
        return history(opened.attempts(run=run))


def _filled(path: Path | None) -> str | None:
    if path is None:
        return None
    text = read_text(path)
    if not text.strip():
        raise UsageError(f"{path}: is empty")
    return text
