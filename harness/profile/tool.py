"""Run one of NVIDIA's tools round a candidate: a process group, a scratch folder, a clean environment."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from eval.profile.walls import REPORT
from eval.records import Job, Record
from eval.runner.sandbox import SandboxReport
from harness.errors import EnvironmentFailure

_PASSED_ON = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "CUDA_HOME", "VIRTUAL_ENV")
_LAST_LINES = 12


class ToolRun(Record):
    """What one run of a tool left."""

    out: str
    err: str
    code: int

    @property
    def last_lines(self) -> str:
        """The end of what it printed, without the rows of a table."""
        lines = [line for line in (self.out + self.err).splitlines() if line.strip()]
        return "\n  ".join([line for line in lines if not line.startswith('"')][-_LAST_LINES:])


class Workbench:
    """The scratch folder of one candidate; several tools may look at it one after another."""

    def __init__(self, job: Job, **environment: str) -> None:
        """`environment` is given to the tool beside what every one gets."""
        self._job, self._extra = job, environment

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="kernel-harness-", ignore_cleanup_errors=True)
        self.scratch = Path(self._folder.name)
        (self.scratch / "job.json").write_text(self._job.model_dump_json(), encoding="utf-8")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._folder.cleanup()

    def run(self, tool: Sequence[str], module: str, timeout_s: float, late: str) -> ToolRun:
        """Run `tool` round ``python -m module JOB SCRATCH``, in the scratch folder.

        Raises `EnvironmentFailure` with the text `late`: it took longer than `timeout_s`.
        """
        scratch = str(self.scratch)
        command = [*tool, sys.executable, "-P", "-m", module, f"{scratch}/job.json", scratch]
        with subprocess.Popen(
            command, env=self._environment(), cwd=scratch, text=True, errors="replace",
            start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        ) as process:  # fmt: skip
            try:
                out, err = process.communicate(timeout=timeout_s)
            except subprocess.TimeoutExpired:
                raise EnvironmentFailure(late) from None
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        return ToolRun(out=out, err=err, code=process.returncode)

    def walls(self) -> SandboxReport | None:
        """Return what stood around the candidate; None where it did not come so far."""
        try:
            return SandboxReport.model_validate_json((self.scratch / REPORT).read_bytes())
        except (OSError, ValueError):
            return None

    def _environment(self) -> Mapping[str, str]:
        env = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        scratch = str(self.scratch)
        env |= {"HOME": scratch, "TMPDIR": scratch, "TRITON_CACHE_DIR": f"{scratch}/triton"}
        env["PYTHONPATH"] = os.pathsep.join(str(Path(path).absolute()) for path in sys.path if path)
        return env | self._extra
