"""Run ``ncu`` round one call of a candidate, and say clearly why where there are no metrics."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from eval.records import Job
from harness.errors import EnvironmentFailure, UsageError
from harness.machine import Profiler
from harness.profile.report import DURATION, KernelReport, read_report, unknown_metrics

_PASSED_ON = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "CUDA_HOME", "VIRTUAL_ENV")
_QUERY_SECONDS = 60.0
_LAST_LINES = 12
NO_METRICS = "the prompt then says that nothing was measured"


def measured(
    job: Job, metrics: Sequence[str], found: Profiler, *, timeout_s: float, clock_control: str = "none"
) -> tuple[KernelReport, ...]:
    """Return the kernels of one call of the candidate's ``forward``, warmed up, on this machine's GPU.

    Raises `EnvironmentFailure`: no ``ncu``, no permission, or no answer in time. Raises `UsageError`: a
    metric that this chip lacks, a counter without a number, or a candidate that fails.
    """
    if found.path is None:
        raise EnvironmentFailure(f"there is no Nsight Compute here: put `ncu` on PATH; {NO_METRICS}")
    if found.permitted is False:
        raise _not_permitted()
    wanted = list(dict.fromkeys([*metrics, DURATION]))
    _check_names(found.path, wanted)
    with tempfile.TemporaryDirectory(prefix="kernel-harness-") as folder:
        scratch = Path(folder)
        (scratch / "job.json").write_text(job.model_dump_json(), encoding="utf-8")
        command = [
            found.path, "--profile-from-start", "off", "--clock-control", clock_control, "--csv",
            "--page", "raw", "--print-units", "base", "--metrics", ",".join(wanted),
            sys.executable, "-P", "-m", "eval.profile", str(scratch / "job.json"), str(scratch),
        ]  # fmt: skip
        kernels = read_report(_run(command, scratch, timeout_s), "Nsight Compute's report")
    _check_numbers(kernels, wanted)
    return kernels


def _check_names(ncu: str, metrics: Sequence[str]) -> None:
    done = subprocess.run(
        [ncu, "--query-metrics"], capture_output=True, text=True, check=False, timeout=_QUERY_SECONDS
    )
    if "ERR_NVGPUCTRPERM" in done.stdout + done.stderr:
        raise _not_permitted()
    unknown = unknown_metrics(metrics, done.stdout) if done.returncode == 0 else {}
    for metric, hint in unknown.items():
        raise UsageError(f"this GPU has no metric {metric}; {hint}")


def _check_numbers(kernels: Sequence[KernelReport], metrics: Sequence[str]) -> None:
    for metric in metrics:
        if not any(metric in kernel.values for kernel in kernels):
            raise UsageError(f"{metric} gave no number on this GPU: leave it out of the stage's metrics")


def _run(command: list[str], scratch: Path, timeout_s: float) -> str:
    env = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    env |= {"HOME": str(scratch), "TMPDIR": str(scratch), "TRITON_CACHE_DIR": str(scratch / "triton")}
    env["PYTHONPATH"] = os.pathsep.join(str(Path(path).absolute()) for path in sys.path if path)
    with subprocess.Popen(
        command, env=env, cwd=scratch, text=True, errors="replace", start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        try:
            out, err = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            late = f"Nsight Compute gave no report within {timeout_s:g} s; {NO_METRICS}"
            raise EnvironmentFailure(late) from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    if "ERR_NVGPUCTRPERM" in out + err:
        raise _not_permitted()
    if process.returncode != 0:
        lines = [line for line in (out + err).splitlines() if line.strip() and not line.startswith('"')]
        raise UsageError("the profiled call failed:\n  " + "\n  ".join(lines[-_LAST_LINES:]))
    return out


def _not_permitted() -> EnvironmentFailure:
    return EnvironmentFailure(
        "this user may not read the GPU's counters (ERR_NVGPUCTRPERM): load the driver with "
        f"NVreg_RestrictProfilingToAdminUsers=0, or run as an administrator; {NO_METRICS}"
    )
