"""The walls around a candidate that runs under one of NVIDIA's tools.

The tool has put a library with threads and sockets of its own into the process, writes where it likes
and needs the user's rights, so that of a runner's walls only those stand that leave it alone.
"""

from __future__ import annotations

import resource
from pathlib import Path

from eval.runner import linux, rlimits
from eval.runner.sandbox import SandboxReport

REPORT = "walls.json"
"""File of the scratch folder that says what held."""
_MOST_FILE_BYTES = 8 << 30
_LEFT_OUT = (
    "pid_namespace", "network_namespace", "mount_namespace", "private_shm", "masked_paths",
    "read_only_mounts", "process_limit", "capabilities", "landlock", "seccomp", "cgroup",
)  # fmt: skip
_WHY = "it would stand in the way of NVIDIA's tool"


def enter(scratch: Path) -> SandboxReport:
    """Put up what can be, and write what held into the scratch folder."""
    report = SandboxReport(active=(), missing=())
    for level, step in (("no_new_privs", _no_new_privileges), ("rlimits", _limit)):
        try:
            step()
        except OSError as error:
            report = report.plus(level, held=False, note=str(error))
        else:
            report = report.plus(level, held=True)
    for level in _LEFT_OUT:
        report = report.plus(level, held=False, note=_WHY)
    (scratch / REPORT).write_text(report.model_dump_json(), encoding="utf-8")
    return report


def _no_new_privileges() -> None:
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)


def _limit() -> None:
    rlimits.limit(resource.RLIMIT_CORE, 0)
    rlimits.limit(resource.RLIMIT_MSGQUEUE, 0)
    rlimits.limit(resource.RLIMIT_FSIZE, _MOST_FILE_BYTES)
