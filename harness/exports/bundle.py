"""An evidence bundle: a folder with all that somebody else needs to judge one attempt again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.files import write_text
from harness.problems import ProblemFolder
from harness.records import Attempt, Prompt

_README = """# Attempt {id}

{model}, sample {sample}, on {problem}: {status}.

`verdict.json` is what was found, `samples.csv` every time that was taken, in milliseconds and in order,
`environment.json` where. `manifest.json` holds the SHA-256 of each file.

Judge it again, in this folder:

```sh
{command}
```

The problem's hash is {problem_hash}, the evaluator's version {evaluator}. Times depend on the GPU:
compare them on {gpu} alone.
"""


def write_bundle(folder: Path, attempt: Attempt, prompt: Prompt | None, problem: ProblemFolder) -> None:
    """Write the bundle into a new or empty folder.

    Raises `UsageError`: the folder holds something, there is no verdict, or the problem's text is no
    longer the one that the attempt was judged against.
    """
    verdict = attempt.verdict
    if verdict is None:
        raise UsageError(f"attempt {attempt.id} has no verdict: {attempt.error}; judge it again first")
    if verdict.problem_hash not in {None, problem.problem.hash}:
        raise UsageError(
            f"attempt {attempt.id} was judged against another text of {problem.name}, which is not here"
        )
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty; give a new folder with --output")
    texts = _texts(attempt, prompt, problem)
    for name, text in texts.items():
        # A model's JSON can hold half characters, which no file can.
        write_text(folder / name, text.encode("utf-8", "replace").decode())
    shutil.copytree(problem.path, folder / "problem", ignore=shutil.ignore_patterns("__pycache__"))
    write_text(folder / "README.md", _readme(attempt, problem, texts))
    write_text(folder / "manifest.json", _json(_manifest(folder)))


def _texts(attempt: Attempt, prompt: Prompt | None, problem: ProblemFolder) -> dict[str, str]:
    verdict = attempt.verdict
    assert verdict is not None
    texts = {
        "attempt.json": _json(attempt.model_dump(mode="json", exclude={"verdict", "reply", "candidate"})),
        "call.json": _json(attempt.reply.model_dump(mode="json", exclude={"text"})),
        _reply_name(attempt): attempt.reply.text,
        "verdict.json": _json(verdict.model_dump(mode="json")),
        "environment.json": _json(verdict.environment.model_dump(mode="json") if verdict.environment else {}),
    }
    if attempt.candidate is not None:
        texts["candidate.py"] = attempt.candidate.code
    if prompt is not None:
        texts["prompt.txt"] = prompt.text
        if prompt.metrics is not None:
            texts["metrics.json"] = _json(prompt.metrics)
    code = prompt.code if prompt is not None and prompt.code is not None else problem.current_code
    if code is not None:
        texts["current.py"] = code
    samples = verdict.timing.samples_ms if verdict.timing else {}
    if samples:
        lines = [f"{role},{at},{ms!r}" for role, taken in samples.items() for at, ms in enumerate(taken)]
        texts["samples.csv"] = "\n".join(["role,order,ms", *lines]) + "\n"
    return texts


def _reply_name(attempt: Attempt) -> str:
    return "reply.py" if attempt.reply.is_code else "reply.md"


def _readme(attempt: Attempt, problem: ProblemFolder, texts: Mapping[str, str]) -> str:
    verdict = attempt.verdict
    assert verdict is not None
    return _README.format(
        id=attempt.id,
        model=attempt.reply.model,
        sample=attempt.reply.sample,
        problem=problem.name,
        status=verdict.status,
        command=_command(attempt, texts),
        problem_hash=problem.problem.hash,
        evaluator=attempt.evaluator,
        gpu=attempt.gpu_name or "the same CPU",
    )


def _command(attempt: Attempt, texts: Mapping[str, str]) -> str:
    options = {
        "--problem": "./problem",
        "--stage": attempt.stage,
        "--device": attempt.device,
        "--size": attempt.size,
        "--gpu": attempt.gpu,
        "--code": "current.py" if "current.py" in texts and attempt.stage else None,
        "--metrics": "metrics.json" if "metrics.json" in texts and attempt.stage else None,
        "--rules": attempt.rules if attempt.rules != "strict" else None,
    }
    words = [f"{name} {value}" for name, value in options.items() if value is not None]
    return " ".join(["kernel-harness eval", _reply_name(attempt), *words, "--store again.db --json"])


def _manifest(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256(path.read_bytes()).hexdigest() for path in files}


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
