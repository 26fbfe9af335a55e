"""The command line: one module a command, imported when that command runs."""

from __future__ import annotations

import errno
import gc
import os
import select
import sys
import traceback
from difflib import get_close_matches
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

from harness.errors import EnvironmentFailure, HarnessError

COMMANDS = {
    "prompt": "Render the prompt of a problem for a stage and a GPU.",
    "collect": "Ask models, and keep every raw reply.",
    "check": "Check replies against the static rules; run nothing.",
    "compile": "Compile what a candidate launches; no GPU needed.",
    "eval": "Judge candidates.",
    "run": "Prompt, collect, judge, score and report, from one file.",
    "optimize": "Carry a problem through stages, keep or revert at each.",
    "profile": "Ask Nsight Compute about one call of a candidate.",
    "leaderboard": "Print the leaderboard of a store.",
    "compare": "Compare two models or runs, problem by problem.",
    "report": "Write the report, one HTML file.",
    "serve": "Serve the leaderboard as a live web page.",
    "serve-judge": "Judge what clients send over HTTP.",
    "mcp": "Serve an agent over the Model Context Protocol.",
    "rescore": "Judge stale results again.",
    "void": "Strike an attempt from scores.",
    "show": "Show one attempt: verdict, code and reply.",
    "export": "Write attempts as lines of JSON, or tables.",
    "rows": "Turn rows of a data set into replies.",
    "runs": "List the runs of a store.",
    "redteam": "Try cheats and honest candidates on this judge.",
    "problems": "List the problems, and check their files.",
    "stages": "List the optimisation stages, and check their files.",
    "gpus": "List the GPUs of prompts, and check their files.",
    "validate": "Attack the problems before they are trusted.",
    "doctor": "Say what this machine has and can do.",
}
"""What `kernel-harness --help` says of each; its module is named like it, and has a function ``command``."""


class _NobodyReadsError(Exception):
    """Whoever read our stdout has left, as `head` does. Typer ends with 1 for it, a verdict's exit code."""


class _LazyGroup(TyperGroup):
    """Imports a command's module only when that command is asked for, and none to list them all."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - typer's signature
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"harness.cli.{cmd_name.replace('-', '_')}")
        single = typer.Typer(add_completion=False, rich_markup_mode=None)
        single.command(cmd_name)(module.command)
        return typer.main.get_command(single)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            if _is_read():  # another pipe than stdout
                raise RuntimeError("a pipe of ours broke") from error
            raise _NobodyReadsError from error

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        near = get_close_matches(args[0], COMMANDS, n=1)
        if near and args[0] not in COMMANDS:
            ctx.fail(f"No such command '{args[0]}'. Did you mean '{near[0]}'?")
        return super().resolve_command(ctx, args)


DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
USAGE_ERROR: Any = typer.BadParameter.__base__
"""Base of typer's usage errors; typer brings its own click since 0.29 and names it nowhere."""

app = typer.Typer(cls=_LazyGroup, add_completion=False, rich_markup_mode=None, no_args_is_help=True)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"kernel-harness {version('kernel-harness')}")
        raise typer.Exit


@app.callback()
def _root(
    _version_flag: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Show the version."
    ),
) -> None:
    """Prompt models for Triton kernels, and judge what comes back."""


OUR_BUG, INTERRUPTED = 3, 130
_NEW_OBJECTS = 20_000
"""Between two looks of the garbage collector: a tree is thousands, Python's own number some hundreds."""


def main() -> None:
    """Run and exit: 0 fine, 1 not passed, 2 usage, 3 our bug, 4 environment, 130 interrupted."""
    gc.set_threshold(_NEW_OBJECTS)
    try:
        _run()
    except Exception:  # noqa: BLE001 - without this, a bug would end with 1, as a verdict that did not pass
        traceback.print_exc()
        sys.stderr.write("error: this is a bug of kernel-harness; the lines above say where\n")
        sys.exit(OUR_BUG)


def _run() -> None:
    try:
        code = app(standalone_mode=False)
        sys.stdout.flush()
    except HarnessError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)
    except USAGE_ERROR as error:
        error.show()
        sys.exit(2)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except (_NobodyReadsError, BrokenPipeError):
        _drop_stdout()
        sys.exit(0)
    except OSError as error:
        if error.errno not in DISK_ERRORS:
            raise
        _drop_stdout()
        sys.stderr.write(f"error: cannot write: {error.strerror}; make room or write elsewhere\n")
        sys.exit(EnvironmentFailure.exit_code)
    if code == INTERRUPTED:  # by typer, too, which turns the interrupt into a code
        sys.stderr.write("interrupted; the same command continues\n")
    sys.exit(code if isinstance(code, int) else 0)


def _is_read() -> bool:
    """Tell whether somebody still holds the other end of stdout."""
    waiting = select.poll()
    waiting.register(sys.stdout.fileno(), 0)
    return not any(state & (select.POLLERR | select.POLLHUP) for _, state in waiting.poll(0))


def _drop_stdout() -> None:
    """Let what is still in the buffer go nowhere: it would fail again when Python ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
