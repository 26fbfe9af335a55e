"""Run ``compute-sanitizer`` over what passed, and take back what touches memory that is not its own."""

from __future__ import annotations

from collections.abc import Sequence

from eval.client import JudgeFailedError, cuda_device_name
from eval.records import Failed, Job, Passed, Tracks, Verdict
from harness.errors import EnvironmentFailure
from harness.machine import Sanitizer
from harness.metrics import kernel_names
from harness.profile.findings import Finding, of_kernels, read_findings
from harness.profile.tool import Workbench

_OPTIONS = (
    "--target-processes", "application-only", "--report-api-errors", "no", "--show-backtrace", "device",
    "--check-exit-code", "no", "--print-limit", "20",
)  # fmt: skip
_TOOLS = {"memcheck": ("--padding", "65536"), "racecheck": ("--racecheck-report", "analysis")}
"""Padding, so that what reaches past one allocation does not land in the next."""
_FILE = "candidate.py"


class SanitizedJudging:
    """Looks once more at a candidate that passed; a `Recheck` of executors."""

    def __init__(self, found: Sanitizer, timeout_s: float = 300.0) -> None:
        """`timeout_s` bounds each run of the tool.

        Raises `EnvironmentFailure`: it is not installed.
        """
        if found.path is None:
            raise EnvironmentFailure(
                "--sanitize needs NVIDIA's compute-sanitizer: install the CUDA toolkit (package "
                "cuda-sanitizer-12-X or cuda-toolkit-12-X) and put `compute-sanitizer` on PATH"
            )
        self._path, self._timeout_s = found.path, timeout_s

    def __call__(self, job: Job, verdict: Verdict, gpu: str | None) -> Verdict:
        """Return the verdict as `with_findings` has it; one that did not pass comes back as it is.

        Raises `JudgeFailedError`: the tool gave no whole report on a call that ended well.
        """
        if not isinstance(verdict, Passed):
            return verdict
        try:
            found = self.findings(job, gpu)
        except EnvironmentFailure as error:
            raise JudgeFailedError(str(error)) from error
        return with_findings(verdict, found)

    def findings(self, job: Job, gpu: str | None) -> dict[str, tuple[Finding, ...]]:
        """Return by tool what the candidate's own kernels did wrong.

        Raises `EnvironmentFailure`: as `__call__` says.
        """
        kernels = kernel_names(job.code)
        visible = {"CUDA_VISIBLE_DEVICES": gpu} if gpu is not None else {}
        # With torch's cache of memory, a neighbour's bytes would count as the tensor's own.
        with Workbench(job, PYTORCH_NO_CUDA_MEMORY_CACHING="1", **visible) as bench:
            found = {}
            for tool, options in _TOOLS.items():
                found[tool] = of_kernels(self._run(bench, tool, options), kernels)
                if found[tool]:
                    break
        return found

    def _run(self, bench: Workbench, tool: str, options: Sequence[str]) -> tuple[Finding, ...]:
        log = bench.scratch / f"{tool}.txt"
        command = [self._path, "--tool", tool, *options, *_OPTIONS, "--log-file", str(log)]
        late = f"compute-sanitizer's {tool} took more than {self._timeout_s:g} s"
        done = bench.run(command, "eval.profile.sanitized", self._timeout_s, late)
        text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
        findings = read_findings(text, _FILE) if text or not done.code else ()
        if done.code and not findings:
            raise EnvironmentFailure(
                f"under compute-sanitizer's {tool} the candidate, which passed without, failed with no "
                f"finding:\n  {done.last_lines}"
            )
        return findings


def require_gpu(device: str) -> None:
    """Refuse to sanitize where candidates are interpreted.

    Raises `EnvironmentFailure`: there is no GPU, or it is not to be used.
    """
    if device == "cpu" or cuda_device_name() is None:
        raise EnvironmentFailure("--sanitize looks at kernels on an NVIDIA GPU, and none judges here")


def with_findings(verdict: Passed, found: dict[str, tuple[Finding, ...]]) -> Verdict:
    """Return the verdict with what the tools found in the candidate's kernels.

    A wrong access to memory makes it failed, in phase crash: it went well by luck. A race within shared
    memory is told in `detail` alone: that memory is laid out by Triton's compiler, not by the candidate.
    """
    clean = tuple(tool for tool, findings in found.items() if not findings)
    guarantees = verdict.guarantees.model_copy(update={"sanitizer": clean})
    said = "\n".join(_sentence(tool, findings) for tool, findings in found.items() if findings)
    if not found.get("memcheck"):
        detail = "\n".join(part for part in (verdict.detail, said) if part) or None
        return verdict.model_copy(update={"guarantees": guarantees, "detail": detail})
    fields = {name: getattr(verdict, name) for name in type(verdict).model_fields if name != "status"}
    fields |= {
        "detail": said, "defence": "sanitizer", "timing": None, "guarantees": guarantees,
        "tracks": Tracks(open=False, stage=False),
    }  # fmt: skip
    return Failed(**fields, phase="crash")


def _sentence(tool: str, findings: Sequence[Finding]) -> str:
    first = findings[0]
    where = f" in {first.functions[0]}" + (f", line {first.line}" if first.line is not None else "")
    more = f"; {first.more}" if first.more else ""
    others = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
    return f"compute-sanitizer's {tool}: {first.what}{where}{more}{others}"
