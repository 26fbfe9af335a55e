"""Dry launches from outside: a process that is started, asked, and killed as a group. Imports no torch."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from eval.dry_launch.records import DryReport, DryRequest

_START_SECONDS = 120.0
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "TMPDIR")


class DryLaunchFailedError(Exception):
    """A failure of ours; says nothing about the candidate."""


def dry_launch(requests: Iterable[DryRequest]) -> list[DryReport]:
    """Launch candidates one after another on GPUs that are not there; returns a report for each.

    Raises:
        DryLaunchFailedError: the process that launches could not work.

    """
    asked = list(requests)
    env = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    env["PYTHONPATH"] = os.pathsep.join(str(Path(path).absolute()) for path in sys.path if path)
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "eval.dry_launch"], env=env, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    text = "".join(request.model_dump_json() + "\n" for request in asked)
    timeout = _START_SECONDS + sum(request.limits.seconds for request in asked)
    try:
        answers, _ = process.communicate(text, timeout)
    except subprocess.TimeoutExpired:
        raise DryLaunchFailedError(f"no answer within {timeout:g} s") from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    reports = [_report(line) for line in answers.splitlines()]
    if len(reports) != len(asked):
        raise DryLaunchFailedError("the process that launches ended; its error is above")
    return reports


def _report(line: str) -> DryReport:
    answer = json.loads(line)
    if "error" in answer:
        raise DryLaunchFailedError(answer["error"])
    return DryReport.model_validate(answer["report"])
