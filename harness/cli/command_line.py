"""The command as it was typed, without what may be secret in an address."""

from __future__ import annotations

import shlex
import sys

from harness.llm.spec import public_url


def command_line() -> str:
    """Return the command line as the store may keep it."""
    return shlex.join(["kernel-harness", *(_public(argument) for argument in sys.argv[1:])])


def _public(argument: str) -> str:
    option, mark, value = argument.rpartition("=") if argument.startswith("--") else ("", "", argument)
    return f"{option}{mark}{public_url(value)}" if "://" in value else argument
