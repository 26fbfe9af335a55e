"""A tiny problem, candidates for it, and what every test of the judge asks.

The problem is ``x * factor + 1`` on a few elements, so that a candidate is judged in well under a second.
"""

from __future__ import annotations

import textwrap
import time
from pathlib import Path

from eval import Case, Job, Limits, Problem
from eval.records import SizeProfile

SECRET = "sk-do-not-tell-anyone"
MARK = "zebra crossing of the reference"
REFERENCE = f'''
"""{MARK}"""
import torch
import torch.nn as nn

class Model(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return x * self.factor + 1

rows = 4
columns = 33
factor = 2.0

def get_inputs():
    return [torch.rand(rows, columns)]

def get_init_inputs():
    return [factor]
'''
PROBLEM = Problem(
    name="affine",
    reference=REFERENCE,
    sizes=(SizeProfile(name="full"),),
    cases=(
        Case(name="3x5", constants={"rows": 3, "columns": 5}),
        Case(name="2x33", constants={"rows": 2, "columns": 33}),
        Case(name="factor 3", constants={"rows": 2, "columns": 19, "factor": 3.0}),
    ),
    variants=(
        Case(name="transposed", constants={"rows": 3, "columns": 7}, layout="transposed"),
        Case(name="float64", constants={"rows": 3, "columns": 7}, dtype="float64"),
        Case(name="bfloat16", constants={"rows": 3, "columns": 7}, dtype="bfloat16"),
    ),
    cpu_dtypes=("float32", "float64"),
    hash="affine",
)
PROBLEM_FILE = """
title = "Factor and one"
cpu_dtypes = ["float32", "float64"]
sizes = [{ name = "full" }, { name = "half", constants = { rows = 2 } }]
cases = [
  { name = "3x5", constants = { rows = 3, columns = 5 } },
  { name = "2x33", constants = { rows = 2, columns = 33 } },
]
"""
CODE = """
import torch
import torch.nn as nn
import triton
import triton.language as tl
{top}

@triton.jit
def affine(x, y, factor, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = i < n
{kernel}
    tl.store(y + i, tl.load(x + i, mask=mask) * factor + 1, mask=mask)

def run(x, factor):
    x = x.contiguous()
    y = torch.empty_like(x)
    affine[(triton.cdiv(x.numel(), 64),)](x, y, factor, x.numel(), BLOCK=64)
    return y

class ModelNew(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor
{init}

    def forward(self, x):
{forward}
"""
LIMITS = Limits(seconds=60, call_seconds=20, host_memory_gb=0.8, output_bytes=2000)
"""Long enough for a busy machine; what is endless gets less."""


def candidate(forward="return run(x, self.factor)", *, top="", init="pass", kernel="pass"):
    """Source of a candidate that is honest but for the parts that are given."""
    parts = {"forward": (forward, 8), "init": (init, 8), "kernel": (kernel, 4), "top": (top, 0)}
    code = CODE
    for name, (text, spaces) in parts.items():
        code = code.replace(f"{{{name}}}", textwrap.indent(textwrap.dedent(text).strip("\n"), " " * spaces))
    return code


HONEST = candidate()


def job(code, *, problem=PROBLEM, limits=LIMITS, **more):
    return Job(
        problem=problem, code=code, device="cpu", rules=more.pop("rules", "off"), limits=limits, **more
    )


def problem_folder(path):
    """Write the tiny problem to a folder, as users keep theirs."""
    path.mkdir()
    (path / "problem.toml").write_text(PROBLEM_FILE)
    (path / "reference.py").write_text(REFERENCE)
    (path / "current.py").write_text(HONEST)
    return path


def ended(verdict):
    """How a verdict ended, in one or two words."""
    kind = getattr(verdict, "reason", None) or getattr(verdict, "phase", None)
    return verdict.status if kind is None else f"{verdict.status}: {kind}"


def processes_of(pid):
    """The process and all that are below it, with their parents' numbers as /proc tells them."""
    children = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] != "Z":
            children.setdefault(int(fields[1]), []).append(int(path.parent.name))
    found, wave = [], [pid]
    while wave:
        found += wave
        wave = [child for parent in wave for child in children.get(parent, [])]
    return found


def runners_with(mark):
    """Processes whose first environment holds `mark`, wherever they hang in the tree of processes."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark.encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def command_of(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def zygotes_of(judge_pid):
    return [pid for pid in processes_of(judge_pid) if "eval.runner.zygote" in command_of(pid)]


def until(true, seconds=20.0):
    """Wait until something holds, and say whether it came to that."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def exists(pid):
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):  # the second where it went while it was read
        return False
