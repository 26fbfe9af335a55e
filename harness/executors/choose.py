"""Where a command judges: on this machine, or on a Ray cluster."""

from __future__ import annotations

from eval.client import JudgeFailedError, resolve_device
from eval.records import DeviceChoice
from harness.errors import EnvironmentFailure, UsageError
from harness.executors.base import Executor, Recheck
from harness.executors.gpus import choose_gpus
from harness.executors.local import LocalExecutor

LOCAL, AUTO, RAY = "local", "auto", "ray://"


def open_executor(
    where: str = LOCAL, device: DeviceChoice = "auto", *, jobs: int | None = None, gpus: str | None = None,
    recheck: Recheck | None = None,
) -> Executor:  # fmt: skip
    """Return the executor for ``local``, ``auto`` (the Ray cluster that is found here) or ``ray://HOST:PORT``.

    On a local CPU `jobs` judges work at once, on local GPUs one on each of `gpus`, on a cluster
    `jobs`, by default one for each GPU that it has. `recheck` looks at what local judges have judged.

    Raises:
        UsageError: the words do not go together.
        EnvironmentFailure: there is no such device, no Ray, or no cluster.

    """
    if where == AUTO or where.startswith(RAY):
        from harness.executors.cluster import RayExecutor

        if gpus is not None:
            raise UsageError("--gpus names GPUs of this machine; on a cluster say how many with --jobs")
        if recheck is not None:
            raise UsageError("--sanitize runs on this machine's GPUs alone; leave --executor at local")
        return RayExecutor(where, device, jobs)
    if where != LOCAL:
        raise UsageError(f"--executor {where!r}: there are: {LOCAL}, {AUTO}, {RAY}HOST:PORT")
    try:
        found = resolve_device(device)
    except JudgeFailedError as error:
        raise EnvironmentFailure(str(error)) from error
    if found != "cuda":
        if gpus is not None:
            raise UsageError("--gpus: a CPU judges here; say how many at once with --jobs")
        return LocalExecutor("cpu", jobs or 1, recheck=recheck)
    return LocalExecutor("cuda", gpus=choose_gpus(gpus), recheck=recheck)
