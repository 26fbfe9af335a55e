"""A task folder in Harbor's format: instruction, environment, and a verifier that calls the judge.

The verifier runs in a container of its own, so that the agent's container holds neither the judge nor
the problem's cases, and gets nothing from it but the answer.
"""

from __future__ import annotations

import json
import shutil
from importlib.metadata import version
from pathlib import Path

from harness.errors import UsageError
from harness.files import write_text
from harness.problems import ProblemFolder
from harness.prompts import GpuSpec, Stage, render_prompt

SCHEMA_VERSION = "1.4"
ANSWER = "/app/answer.py"
_TASK = """schema_version = {schema}
artifacts = [{answer}]

[task]
name = {name}
description = {description}
keywords = ["gpu", "triton", "kernels"]

[metadata]
problem = {problem}
problem_hash = {problem_hash}
stage = {stage}
gpu = {gpu}
harness = {harness}

[agent]
timeout_sec = 3600.0

[environment]
build_timeout_sec = 1800.0
cpus = 2
memory_mb = 8192

[verifier]
environment_mode = "separate"
timeout_sec = 1800.0

[verifier.env]
KERNEL_HARNESS_JUDGE = "${{KERNEL_HARNESS_JUDGE:-local}}"
KERNEL_HARNESS_TOKEN = "${{KERNEL_HARNESS_TOKEN:-}}"
"""
_INSTRUCTION = """{prompt}
Write your answer, the whole Python file, to `{answer}`. The reference is `/app/reference.py`{code}.
It is judged where you cannot reach: rules, correctness on many cases, and time where a GPU judges.
"""
_DOCKERFILE = """FROM python:3.12-slim
RUN pip install --no-cache-dir numpy torch triton
WORKDIR /app
COPY . /app/
"""
_VERIFIER_DOCKERFILE = """FROM python:3.12-slim
ARG KERNEL_HARNESS="kernel-harness[eval]=={version}"
RUN pip install --no-cache-dir "$KERNEL_HARNESS"
COPY . /tests/
"""
_TEST = """#!/bin/bash
# Judges the answer and writes /logs/verifier/reward.json; writes none where the judge itself fails.
exec python3 "$(dirname "$0")/verify.py"
"""
_SOLVE = """#!/bin/bash
cp "$(dirname "$0")/solution.py" {answer}
"""
_VERIFY = '''"""Judge the answer of this task, here or at the judge that KERNEL_HARNESS_JUDGE names."""

import os
import sys
from pathlib import Path

from harness.adapters.verifying import verify

sys.exit(
    verify(
        answer=Path(os.environ.get("KERNEL_HARNESS_ANSWER", {answer!r})),
        logs=Path(os.environ.get("KERNEL_HARNESS_LOGS", "/logs/verifier")),
        folder=Path(__file__).parent / {problem!r},
        stage={stage!r},
        gpu={gpu!r},
        judge=os.environ.get("KERNEL_HARNESS_JUDGE") or "local",
        token=os.environ.get("KERNEL_HARNESS_TOKEN") or None,
    )
)
'''


def write_task(parent: Path, problem: ProblemFolder, stage: Stage, gpu: GpuSpec) -> Path:
    """Write the task of one problem, stage and GPU into a new folder below `parent`, and return it.

    Raises `UsageError`: the folder is there already, or the stage needs what the problem lacks.
    """
    folder = parent / f"{problem.name}-{stage.name}-{gpu.name}".replace("_", "-").lower()
    if folder.exists():
        raise UsageError(f"{folder} is there already; give another folder with --output")
    prompt = render_prompt(problem=problem, stage=stage, gpu=gpu)
    texts = {
        "task.toml": _task(folder.name, problem, stage, gpu),
        "instruction.md": _INSTRUCTION.format(
            prompt=prompt.text,
            answer=ANSWER,
            code=" and the current code `/app/current.py`" * bool(prompt.code),
        ),
        "environment/Dockerfile": _DOCKERFILE,
        "environment/reference.py": problem.problem.reference,
        "tests/Dockerfile": _VERIFIER_DOCKERFILE.format(version=version("kernel-harness")),
        "tests/test.sh": _TEST,
        "tests/verify.py": _VERIFY.format(
            answer=ANSWER, problem=problem.name, stage=stage.name, gpu=gpu.name
        ),
    }
    if prompt.code is not None:
        texts["environment/current.py"] = prompt.code
    if problem.solution is not None:
        texts["solution/solution.py"] = problem.solution.read_text(encoding="utf-8")
        texts["solution/solve.sh"] = _SOLVE.format(answer=ANSWER)
    for name, text in texts.items():
        write_text(folder / name, text)
        if name.endswith(".sh"):
            (folder / name).chmod(0o755)
    left_out = shutil.ignore_patterns("__pycache__", "solution.py")
    shutil.copytree(problem.path, folder / "tests" / problem.name, ignore=left_out)
    return folder


def _task(name: str, problem: ProblemFolder, stage: Stage, gpu: GpuSpec) -> str:
    values = {
        "schema": SCHEMA_VERSION, "answer": ANSWER, "name": f"kernel-harness/{name}",
        "description": f"{problem.title}, stage {stage.name}, for {gpu.name}", "problem": problem.name,
        "problem_hash": problem.problem.hash, "stage": stage.name, "gpu": gpu.name,
        "harness": version("kernel-harness"),
    }  # fmt: skip
    # A string of JSON is a basic string of TOML.
    return _TASK.format(**{key: json.dumps(value) for key, value in values.items()})
