"""``kernel-harness mcp``: prompt, check, compile, eval, profile and leaderboard as tools of an agent."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from eval.records import DeviceChoice, Limits
from harness.adapters.frameworks import require
from harness.adapters.judges import LocalJudges
from harness.adapters.library import Library
from harness.adapters.tools import Bounds, Tools

_WAITING = 16


def command(
    problem: Annotated[
        list[Path] | None, typer.Option(help="Folder of a problem of yours; may be given again.")
    ] = None,
    device: Annotated[DeviceChoice, typer.Option(help="auto takes a CUDA GPU where there is one.")] = "auto",
    jobs: Annotated[int, typer.Option(min=1, help="Candidates at once; on a GPU always one.")] = 1,
    timeout: Annotated[float, typer.Option(help="Seconds that one `eval` may wait and judge.")] = 600.0,
    store: Annotated[Path | None, typer.Option(help="Store whose leaderboard the agent may see.")] = None,
    allow_profile: Annotated[
        bool, typer.Option("--allow-profile", help="Let the agent profile: that runs without the sandbox.")
    ] = False,
) -> None:
    """Serve an agent over the Model Context Protocol, on stdin and stdout, until stdin ends."""
    require("mcp", "2.0", "mcp")
    from harness.adapters.mcp_server import make_server

    library = Library(problem or ())
    limits = Limits(seconds=min(Limits().seconds, timeout))
    bounds = Bounds(store=store, profile=allow_profile, timeout_s=timeout)
    with LocalJudges(library, device=device, slots=jobs, waiting=_WAITING, limits=limits) as judges:
        make_server(Tools(library, judges, bounds), version("kernel-harness")).run()
