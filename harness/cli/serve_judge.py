"""``kernel-harness serve-judge``: the judge behind HTTP."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from eval.records import DeviceChoice, Limits
from harness.cli.eval import require_judge
from harness.cli.listening import is_loopback, listen, names_of
from harness.errors import EnvironmentFailure, UsageError
from harness.executors import JudgePool, open_executor
from harness.jobs import JobSettings
from harness.problems import load_problem

TOKEN_ENV = "KERNEL_HARNESS_TOKEN"  # noqa: S105 - the name of a variable


def command(
    host: Annotated[
        str, typer.Option(help="Address to listen at; beyond loopback a token is needed.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any free one.")] = 8322,
    token_env: Annotated[
        str, typer.Option(help="Environment variable with the token that clients must give.")
    ] = TOKEN_ENV,
    problem: Annotated[
        list[Path] | None, typer.Option(help="Folder of a problem of your own; repeat for more.")
    ] = None,
    device: Annotated[DeviceChoice, typer.Option(help="auto takes a CUDA GPU where there is one.")] = "auto",
    gpus: Annotated[str | None, typer.Option(help="Places of the GPUs that judge, for example 0,1.")] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Candidates at once on a CPU or a cluster; a GPU takes one.")
    ] = None,
    executor: Annotated[
        str, typer.Option(help="local, or a Ray cluster: auto or ray://HOST:PORT.")
    ] = "local",
    waiting: Annotated[int, typer.Option(min=0, help="Jobs that may wait; beyond, 429.")] = 64,
    timeout: Annotated[float, typer.Option(help="Seconds that one candidate may take.")] = 300.0,
    call_timeout: Annotated[float, typer.Option(help="Seconds that one call may take.")] = 60.0,
    memory_gb: Annotated[float, typer.Option(help="Host memory of one candidate, in 1e9 bytes.")] = 12.0,
    require_sandbox: Annotated[
        bool, typer.Option(help="Refuse to run where isolation is incomplete.")
    ] = False,
) -> None:
    """Judge what clients send until interrupted; nothing is stored."""
    require_judge()
    missing = [name for name in ("starlette", "uvicorn") if find_spec(name) is None]
    if missing:
        raise EnvironmentFailure(
            f"serve-judge needs {', '.join(missing)}: pip install 'kernel-harness[serve]'"
        )
    token = os.environ.get(token_env) or None
    if token is None and not is_loopback(host):
        raise UsageError(f"{host} is reached from other machines: set {token_env} to a secret token")
    folders = [load_problem(path) for path in problem or []]
    import uvicorn

    from harness.judge_server.app import make_app
    from harness.judge_server.desk import Desk
    from harness.judge_server.office import Office

    listener, url = listen(host, port)
    with JudgePool(open_executor(executor, device, jobs=jobs, gpus=gpus), waiting) as pool:
        settings = JobSettings(
            device=pool.device, require_sandbox=require_sandbox,
            limits=Limits(seconds=timeout, call_seconds=call_timeout, host_memory_gb=memory_gb),
        )  # fmt: skip
        app = make_app(Office(Desk(settings, folders), pool), names_of(host), token)
        sys.stdout.write(f"{url}\n")
        sys.stdout.flush()
        config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)
        uvicorn.Server(config).run(sockets=[listener])
