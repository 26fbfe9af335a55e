"""From problem, stage, GPU, code and metrics to a prompt, with the hashes of all it was made from."""

from __future__ import annotations

import hashlib

from eval.records import Record
from harness.data import prompts_dir
from harness.errors import UsageError
from harness.files import text_hash
from harness.metrics import Metrics, check_kernels
from harness.problems import ProblemFolder
from harness.prompts.gpu_records import GpuSpec
from harness.prompts.stages import Stage
from harness.prompts.templates import render_main, template_hash
from harness.records import Prompt

HINTS = {
    "code": "hand it in with --code, or take the stage `seed`",
    "metrics": "hand them in with --metrics",
    "feedback": "hand it in with --feedback",
}


class _Shown(Record):
    """What the sections of one prompt show; empty where there is nothing."""

    reference: str
    code: str = ""
    metrics: Metrics | None = None
    feedback: str = ""
    history: str = ""


def render_prompt(
    *,
    problem: ProblemFolder,
    stage: Stage,
    gpu: GpuSpec,
    code: str | None = None,
    metrics: Metrics | None = None,
    feedback: str | None = None,
    history: str | None = None,
) -> Prompt:
    """Render the prompt of one problem, stage and GPU.

    `code` replaces the problem's current code. Without `metrics` the prompt shows the problem's own, if they
    were taken from this code on this GPU, and says that nothing was measured otherwise.

    Raises `UsageError`: the stage needs what is not there, the metrics belong to other code, or a template
    fails.
    """
    shown = _shown(problem, stage, gpu, code, metrics, feedback, history)
    need = _missing(stage, shown)
    if need:
        raise UsageError(f"stage {stage.name} needs {need}; {problem.name} has none: {HINTS[need]}")
    return _prompt(problem, stage, gpu, shown)


def is_legal(
    *,
    problem: ProblemFolder,
    stage: Stage,
    gpu: GpuSpec,
    code: str | None = None,
    metrics: Metrics | None = None,
    feedback: str | None = None,
) -> bool:
    """Return whether all that the stage needs is there; the arguments are those of `render_prompt`."""
    return _missing(stage, _shown(problem, stage, gpu, code, metrics, feedback, None)) is None


def _shown(
    problem: ProblemFolder,
    stage: Stage,
    gpu: GpuSpec,
    code: str | None,
    metrics: Metrics | None,
    feedback: str | None,
    history: str | None,
) -> _Shown:
    code = problem.current_code if code is None else code
    if metrics:
        check_kernels(metrics, code or "")
    else:
        metrics = _own_metrics(problem, gpu, code)
    return _Shown(
        reference=_one_final_newline(problem.problem.reference),
        code=_one_final_newline(code) if code and "code" in stage.shows else "",
        metrics=metrics if "metrics" in stage.shows else None,
        feedback=(feedback or "").strip("\n"),
        history=(history or "").strip("\n"),
    )


def _missing(stage: Stage, shown: _Shown) -> str | None:
    return next((need for need in stage.needs if not getattr(shown, need)), None)


def _own_metrics(problem: ProblemFolder, gpu: GpuSpec, code: str | None) -> Metrics | None:
    """Return the problem's metrics of this GPU where they were taken from this very code."""
    own = problem.current_code
    same = code is not None and own is not None and text_hash(code) == text_hash(own)
    return problem.metrics.get(gpu.name) if same else None


def _prompt(problem: ProblemFolder, stage: Stage, gpu: GpuSpec, shown: _Shown) -> Prompt:
    text = render_main(
        prompts_dir(),
        gpu=gpu,
        stage=stage,
        body=stage.render_body(),
        reference=shown.reference,
        code=shown.code,
        metrics=shown.metrics.text if shown.metrics else "",
        feedback=shown.feedback,
        history=shown.history,
    )
    return Prompt(
        hash=hashlib.sha256(text.encode()).hexdigest(),
        text=text,
        problem=problem.name,
        stage=stage.name,
        gpu=gpu.name,
        sources=_sources(problem, stage, gpu, shown),
        code=shown.code or None,
        metrics=dict(shown.metrics.kernels) if shown.metrics else None,
    )


def _sources(problem: ProblemFolder, stage: Stage, gpu: GpuSpec, shown: _Shown) -> dict[str, str]:
    sources = {
        "problem": problem.problem.hash,
        "stage": stage.hash,
        "gpu": gpu.hash,
        "template": template_hash(),
    }
    for name in ("code", "feedback", "history"):
        if getattr(shown, name):
            sources[name] = text_hash(getattr(shown, name))
    if shown.metrics:
        sources["metrics"] = shown.metrics.hash
    return sources


def _one_final_newline(text: str) -> str:
    return text.rstrip("\r\n") + "\n"
