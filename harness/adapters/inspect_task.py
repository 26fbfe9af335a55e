"""A task of inspect_ai with solver and scorer: the extra `inspect`.

inspect eval kernel_harness/kernels --model openai-api/local/NAME -T problems=cumsum_exclusive -T turns=3
"""

from __future__ import annotations

import asyncio
import json
import os
from functools import cache
from typing import Any

from harness.adapters.frameworks import require

require("inspect-ai", "0.3.200", "inspect")

from inspect_ai import Task, task  # noqa: E402 - a version that does not fit is said above
from inspect_ai.dataset import Sample  # noqa: E402
from inspect_ai.model import ChatMessageUser  # noqa: E402
from inspect_ai.scorer import Score, Scorer, Target, mean, scorer, stderr  # noqa: E402
from inspect_ai.solver import Generate, Solver, TaskState, solver  # noqa: E402
from inspect_ai.util import store  # noqa: E402
from pydantic import TypeAdapter  # noqa: E402

from eval.records import Verdict  # noqa: E402
from harness.adapters.asking import as_attempt  # noqa: E402
from harness.adapters.judges import TIMEOUT_S, Judges  # noqa: E402
from harness.adapters.rewards import COLUMNS  # noqa: E402
from harness.adapters.tasks import LOCAL, folders, judges_at, task_rows, words  # noqa: E402
from harness.judge_server.records import Question  # noqa: E402
from harness.lines import attempt_line  # noqa: E402
from harness.prompts import feedback  # noqa: E402
from harness.reward import RewardSettings, reward  # noqa: E402

TOKEN_VARIABLE = "KERNEL_HARNESS_TOKEN"  # noqa: S105 - the name of a variable
_LAST = "kernel_harness"
_VERDICT: TypeAdapter[Verdict | None] = TypeAdapter(Verdict | None)


@task
def kernels(
    problems: str | list[str] | None = None,
    stages: str | list[str] = "seed",
    gpus: str | list[str] = "h100",
    folder: str | list[str] | None = None,
    turns: int = 1,
    judge: str = LOCAL,
    device: str = "auto",
    timeout_s: float = TIMEOUT_S,
    track: str = "open",
) -> Task:
    """Return the task: a prompt for each problem, stage and GPU, all problems if none is named.

    With more than one of `turns` the feedback on a candidate that does not pass is the next message.
    `judge` is the URL of a `serve-judge`, `folder` problems of your own.
    """
    library = folders(folder)
    rows = task_rows(library, words(problems), words(stages), words(gpus))
    samples = [
        Sample(input=row.prompt, id=f"{row.problem}/{row.stage}/{row.gpu}", metadata=row.columns)
        for row in rows
    ]
    return Task(
        dataset=samples,
        solver=kernel_solver(turns, judge, ",".join(words(folder)), device, timeout_s),
        scorer=kernel_scorer(track),
    )


@solver
def kernel_solver(
    turns: int = 1, judge: str = LOCAL, folder: str = "", device: str = "auto", timeout_s: float = TIMEOUT_S
) -> Solver:
    """Ask, have it judged, and hand back the feedback until it passes or the turns are over."""
    judges = _judges(judge, folder, device)

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        for turn in range(turns):
            state = await generate(state)
            question = Question.model_validate(
                {**{name: state.metadata.get(name) for name in COLUMNS}, "reply": state.output.completion}
            )
            (outcome,) = await asyncio.to_thread(judges.ask, [question], timeout_s)
            attempt = as_attempt(question, outcome)
            store().set(_LAST, {"line": attempt_line(attempt), "verdict": _plain(outcome.verdict)})
            if outcome.verdict is None or outcome.verdict.status == "passed" or turn == turns - 1:
                break
            state.messages.append(ChatMessageUser(content=feedback(attempt)))
        return state

    return solve


@scorer(metrics={"*": [mean(), stderr()]})
def kernel_scorer(track: str = "open") -> Scorer:
    """Score the last verdict: `passed` (correct and legal) and `reward`; our own failures are not scored."""
    settings = RewardSettings.model_validate({"track": track})

    async def score(state: TaskState, target: Target) -> Score:  # noqa: ARG001 - inspect's signature
        last: dict[str, Any] = store().get(_LAST, {})
        verdict = _verdict(last.get("verdict"))
        worth = reward(verdict, settings)
        line = last.get("line", {})
        if worth.value is None:
            return Score.unscored(explanation=line.get("detail") or worth.why, metadata={"verdict": line})
        return Score(
            value={"passed": float(worth.kind == "passed"), "reward": worth.value},
            answer=state.output.completion,
            explanation=f"{worth.kind}: {line.get('detail') or line['status']}",
            metadata={"verdict": line, "reward": worth.model_dump(mode="json")},
        )  # fmt: skip

    return score


@cache
def _judges(judge: str, folder: str, device: str) -> Judges:
    """Return the judges of this process, which live as long as it does."""
    return judges_at(judge, folders(folder), device, os.environ.get(TOKEN_VARIABLE))


def _plain(verdict: Verdict | None) -> Any:
    return json.loads(verdict.model_dump_json()) if verdict is not None else None


def _verdict(plain: Any) -> Verdict | None:
    made: Verdict | None = _VERDICT.validate_python(plain)
    return made
