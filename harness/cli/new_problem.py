"""The folder that ``problems new`` makes: a small, complete problem that says what to change."""

from __future__ import annotations

import re
from pathlib import Path

from harness.errors import UsageError
from harness.files import write_text
from harness.problems import problem_names

PROBLEM = """\
title = "{title}"

# Constants replace those of reference.py by name. The first size is the official one; smaller
# sizes let smaller cards take part, each with a column of its own.
sizes = [
  {{ name = "full", memory_gb = 2.2, constants = {{ rows = 8192, columns = 16384 }} }},
  {{ name = "small", memory_gb = 0.1, constants = {{ rows = 1024, columns = 4096 }} }},
]

# Scaled cases of the same rank decide whether a candidate passes: odd, prime and tiny sizes.
# Keep them small: without a GPU they run in an interpreter.
cases = [
  {{ name = "1x1", constants = {{ rows = 1, columns = 1 }} }},
  {{ name = "3x7", constants = {{ rows = 3, columns = 7 }} }},
  {{ name = "5x257", constants = {{ rows = 5, columns = 257 }} }},
  {{ name = "2x4099", constants = {{ rows = 2, columns = 4099 }} }},
]

# Other layouts, dtypes and dims decide nothing; a candidate that copes with all is marked robust.
variants = [
  {{ name = "strided", layout = "strided", constants = {{ rows = 9, columns = 131 }} }},
  {{ name = "float16", dtype = "float16", constants = {{ rows = 5, columns = 263 }} }},
]
"""
REFERENCE = '''\
import torch
import torch.nn as nn


class Model(nn.Module):
    """What a candidate must compute. Replace it, and the inputs below."""

    def forward(self, x):
        return torch.sum(x, dim=1)


rows = 8192
columns = 16384


def get_inputs():
    return [torch.rand(rows, columns)]


def get_init_inputs():
    return []
'''


def write_problem(name: str, folder: Path) -> None:
    """Write a problem folder.

    Raises `UsageError`: the name cannot be one or is taken, or the folder is there already.
    Raises `EnvironmentFailure`: the disk does not take it.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise UsageError(f"{name!r} cannot name a problem: use small letters, digits and _, a letter first")
    if name in problem_names():
        raise UsageError(f"{name!r} ships with the harness, and commands would take that one: choose another")
    if folder.exists():
        raise UsageError(f"{folder} is there already: choose another name or --output")
    title = name.replace("_", " ").capitalize()
    write_text(folder / "problem.toml", PROBLEM.format(title=title))
    write_text(folder / "reference.py", REFERENCE)
