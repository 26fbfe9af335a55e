"""The verifier of a task folder: judges one file and writes the reward where an agent benchmark reads it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from harness.adapters.asking import as_attempt
from harness.adapters.library import Library
from harness.adapters.tasks import judges_at
from harness.errors import HarnessError
from harness.judge_server.records import Question
from harness.lines import attempt_line
from harness.prompts import feedback
from harness.reply_files import decode
from harness.reward import reward

TIMEOUT_S = 1500.0


def verify(
    *, answer: Path, logs: Path, folder: Path, stage: str, gpu: str, judge: str, token: str | None = None
) -> int:
    """Judge `answer` and write ``reward.json`` and ``verdict.json`` to `logs`; return the exit code.

    Where the judge itself fails there is no reward, and the code is that of the failure: an agent
    benchmark then says that the verifier failed, and not that the agent did. No answer is worth nothing.
    """
    try:
        library = Library([folder])
        text = decode(answer.read_bytes())[0] if answer.is_file() else ""
        question = Question(problem=folder.name, code=text, stage=stage, gpu=gpu)
        with judges_at(judge, library, token=token) as judges:
            (outcome,) = judges.ask([question], TIMEOUT_S)
    except HarnessError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    worth = reward(outcome.verdict)
    if worth.value is None:
        sys.stderr.write(f"error: not judged: {outcome.error or worth.why}\n")
        return 4
    attempt = as_attempt(question, outcome)
    sys.stdout.write(feedback(attempt) + "\n")
    logs.mkdir(parents=True, exist_ok=True)
    rewards = {"reward": worth.value, "passed": float(worth.kind == "passed")}
    (logs / "reward.json").write_text(json.dumps(rewards), encoding="utf-8")
    (logs / "verdict.json").write_text(json.dumps(attempt_line(attempt), indent=2), encoding="utf-8")
    return 0
