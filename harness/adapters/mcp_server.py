"""The tools for agents over the Model Context Protocol, by its official SDK: the extra `mcp`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial, wraps
from typing import Annotated, ParamSpec, TypeVar

from anyio import to_thread
from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

from eval.records import Track
from harness.adapters.told import Board, Checked, Compiled, Judged
from harness.adapters.tools import Tools
from harness.errors import HarnessError
from harness.judge_server.records import Question

P = ParamSpec("P")
R = TypeVar("R")

INSTRUCTIONS = """Write Triton kernels for GPU problems and have them judged.
Start with `prompt`, answer with one Python file that defines ModelNew, then `check`, `compile` and `eval` it.
`eval` says what is wrong and where; every candidate runs in a sandbox and is compared with an oracle."""

Problem = Annotated[
    str, Field(description="Name of a problem, for example cumsum_exclusive.", max_length=200)
]
Stage = Annotated[str, Field(description="Name of an optimisation stage.", max_length=200)]
Gpu = Annotated[str, Field(description="Name of a GPU, for example 4090 or h100.", max_length=200)]
Size = Annotated[str, Field(description="Name of a size profile of the problem.", max_length=200)]
Code = Annotated[
    str, Field(description="The candidate: a whole Python file, or a reply with it in a Python block.")
]


def make_server(tools: Tools, version: str) -> MCPServer[None]:
    """Return the server; its `run` serves stdin and stdout until stdin ends."""
    server: MCPServer[None] = MCPServer(
        "kernel-harness", instructions=INSTRUCTIONS, version=version, log_level="ERROR"
    )
    add = _adder(server)

    def prompt(problem: Problem, stage: Stage, gpu: Gpu) -> str:
        """Give the whole prompt of a problem for a stage and a GPU: reference, rules, code, metrics."""
        return tools.prompt(problem, stage, gpu)

    def check(problem: Problem, code: Code, stage: Stage | None = None, gpu: Gpu | None = None) -> Checked:
        """Check a candidate against the static rules, in milliseconds; nothing is run."""
        return tools.check(Question(problem=problem, reply=code, stage=stage, gpu=gpu))

    def compile_(problem: Problem, code: Code, gpu: Gpu) -> Compiled:
        """Compile each kernel and configuration for a GPU that need not be here: registers, occupancy."""
        return tools.compile(Question(problem=problem, reply=code), gpu)

    def evaluate(
        problem: Problem, code: Code, stage: Stage | None = None, gpu: Gpu | None = None,
        size: Size | None = None,
    ) -> Judged:  # fmt: skip
        """Judge a candidate: rules, correctness, and its time where a GPU is. Takes seconds to minutes."""
        return tools.evaluate(Question(problem=problem, reply=code, stage=stage, gpu=gpu, size=size))

    def profile(problem: Problem, code: Code, stage: Stage, size: Size | None = None) -> str:
        """Give Nsight Compute's metrics of a candidate, where whoever runs this server allows it."""
        return tools.profile(Question(problem=problem, reply=code, size=size), stage)

    def leaderboard(problem: Problem | None = None, track: Track | None = None) -> Board:
        """Show the best models so far."""
        return tools.leaderboard(problem, track)

    add("prompt", prompt)
    add("check", check)
    add("compile", compile_)
    add("eval", evaluate)
    add("profile", profile)
    add("leaderboard", leaderboard)
    return server


def _adder(server: MCPServer[None]) -> Callable[[str, Callable[P, R]], None]:
    def add(name: str, tool: Callable[P, R]) -> None:
        server.add_tool(_telling(tool), name=name)

    return add


def _telling(tool: Callable[P, R]) -> Callable[P, Awaitable[R]]:
    """Return the tool for a thread that an agent which goes away leaves behind; our errors are told."""

    @wraps(tool)
    async def told(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return await to_thread.run_sync(partial(tool, *args, **kwargs), abandon_on_cancel=True)
        except HarnessError as error:
            raise ToolError(str(error)) from error

    return told
