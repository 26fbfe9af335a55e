"""The command line: one module a command, imported when that command runs."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

from harness.errors import EnvironmentFailure, HarnessError

COMMANDS = {
    "prompt": "harness.cli.prompt",
    "collect": "harness.cli.collect",
    "check": "harness.cli.check",
    "compile": "harness.cli.compile",
    "eval": "harness.cli.evaluate",
    "run": "harness.cli.run",
    "optimize": "harness.cli.optimize",
    "profile": "harness.cli.profile",
    "leaderboard": "harness.cli.leaderboard",
    "compare": "harness.cli.compare",
    "report": "harness.cli.report",
    "serve": "harness.cli.serve",
    "serve-judge": "harness.cli.serve_judge",
    "mcp": "harness.cli.mcp",
    "rescore": "harness.cli.rescore",
    "void": "harness.cli.void",
    "show": "harness.cli.show",
    "export": "harness.cli.export",
    "rows": "harness.cli.rows",
    "runs": "harness.cli.runs",
    "redteam": "harness.cli.redteam",
    "problems": "harness.cli.problems",
    "stages": "harness.cli.stages",
    "gpus": "harness.cli.gpus",
    "validate": "harness.cli.validate",
    "doctor": "harness.cli.doctor",
}
"""Command name to the module whose function ``command`` it is."""


class _LazyGroup(TyperGroup):
    """Imports a command's module only when that command is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - typer's signature
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        single = typer.Typer(add_completion=False, rich_markup_mode=None)
        single.command(cmd_name)(import_module(COMMANDS[cmd_name]).command)
        return typer.main.get_command(single)


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


def main() -> None:
    """Run and exit: 0 fine, 1 not passed, 2 usage, 3 our bug, 4 environment, 130 interrupted."""
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
    except BrokenPipeError:
        sys.exit(0)
    except OSError as error:
        if error.errno not in DISK_ERRORS:
            raise
        # What is still in the buffer would fail again when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.stderr.write(f"error: cannot write: {error.strerror}; make room or write elsewhere\n")
        sys.exit(EnvironmentFailure.exit_code)
    if code == INTERRUPTED:  # by typer, too, which turns the interrupt into a code
        sys.stderr.write("interrupted; the same command continues\n")
    sys.exit(code if isinstance(code, int) else 0)
