"""An environment of verifiers (Prime Intellect), for evaluation and for its trainers: the extra `verifiers`.

verifiers.load_environment("harness.adapters.verifiers_env", problems="cumsum_exclusive", turns=3)
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from typing import Any

from harness.adapters.frameworks import require

require("verifiers", "0.3", "verifiers", below="0.4")

import verifiers as vf  # noqa: E402 - a version that does not fit is said above
from datasets import Dataset  # noqa: E402

from harness.adapters.asking import as_attempt  # noqa: E402
from harness.adapters.judges import TIMEOUT_S, Judges  # noqa: E402
from harness.adapters.rewards import COLUMNS  # noqa: E402
from harness.adapters.tasks import LOCAL, folders, judges_at, task_rows, words  # noqa: E402
from harness.judge_server.records import Question  # noqa: E402
from harness.lines import attempt_line  # noqa: E402
from harness.prompts import feedback  # noqa: E402
from harness.reward import Reward, RewardSettings, reward  # noqa: E402

TOKEN_VARIABLE = "KERNEL_HARNESS_TOKEN"  # noqa: S105 - the name of a variable
_JUDGED, _WORTH = "kernel_harness_verdict", "kernel_harness_reward"


def load_environment(
    problems: str | Sequence[str] | None = None,
    stages: str | Sequence[str] = "seed",
    gpus: str | Sequence[str] = "h100",
    *,
    folder: str | Sequence[str] | None = None,
    turns: int = 1,
    judge: str = LOCAL,
    device: str = "auto",
    timeout_s: float = TIMEOUT_S,
    settings: Mapping[str, Any] | None = None,
    **more: Any,
) -> KernelEnv:
    """Return the environment: a prompt for each problem, stage and GPU, all problems if none is named.

    With more than one of `turns` the feedback on a candidate that does not pass is the next message.
    `judge` is the URL of a `serve-judge`, `folder` problems of your own, `settings` those of the reward.
    """
    library = folders(folder)
    rows = task_rows(library, words(problems), words(stages), words(gpus))
    dataset = Dataset.from_list(
        [
            {"prompt": [{"role": "user", "content": row.prompt}], "info": row.columns, "answer": ""}
            for row in rows
        ]
    )
    return KernelEnv(
        judges=judges_at(judge, library, device, os.environ.get(TOKEN_VARIABLE)),
        settings=RewardSettings.model_validate(settings or {}),
        judging_timeout_s=timeout_s, max_turns=turns, dataset=dataset, eval_dataset=dataset,
        rubric=vf.Rubric(funcs=[kernel_reward, passed], weights=[1.0, 0.0]), **more,
    )  # fmt: skip


def kernel_reward(state: Mapping[str, Any]) -> float:
    """Return what the last candidate is worth; a rollout with an error of ours is left out by its `error`."""
    worth = state.get(_WORTH)
    return worth.value or 0.0 if isinstance(worth, Reward) else 0.0


def passed(state: Mapping[str, Any]) -> float:
    """Return 1 where the last candidate is correct and legal."""
    worth = state.get(_WORTH)
    return float(isinstance(worth, Reward) and worth.kind == "passed")


class KernelEnv(vf.MultiTurnEnv):
    """Judges every reply as it comes; ends with the first that passes, or after `max_turns`."""

    def __init__(
        self, *, judges: Judges, settings: RewardSettings, judging_timeout_s: float, **kwargs: Any
    ) -> None:
        self._judges, self._settings, self._timeout_s = judges, settings, judging_timeout_s
        super().__init__(**kwargs)

    async def add_trajectory_step(self, state: Any, trajectory_step: Any) -> None:
        """Judge a reply; our own failure is verifiers' `InfraError`, for which no model is to blame."""
        await super().add_trajectory_step(state, trajectory_step)
        question = _question(state["info"], trajectory_step["completion"])
        (outcome,) = await asyncio.to_thread(self._judges.ask, [question], self._timeout_s)
        worth = reward(outcome.verdict, self._settings)
        state[_WORTH] = worth
        if worth.value is None:
            raise vf.InfraError(outcome.error or worth.why)
        trajectory_step["reward"] = worth.value
        attempt = as_attempt(question, outcome)
        trajectory_step["extras"]["feedback"] = feedback(attempt)
        state[_JUDGED] = attempt_line(attempt)

    async def env_response(self, messages: Any, state: Any, **_: Any) -> list[dict[str, str]]:  # noqa: ARG002 - verifiers' signature
        """Return the feedback on the last candidate as the next message."""
        return [{"role": "user", "content": state["trajectory"][-1]["extras"]["feedback"]}]

    @vf.stop
    async def has_passed(self, state: Any) -> bool:
        """Tell whether the last candidate passed, so that there is nothing to mend."""
        return passed(state) > 0


def _question(info: Mapping[str, Any], completion: Sequence[Any]) -> Question:
    said = completion[-1] if completion else {}
    content = said.get("content") if isinstance(said, Mapping) else getattr(said, "content", None)
    if not isinstance(content, str):
        content = "".join(str(getattr(part, "text", "")) for part in content or ())
    return Question.model_validate({**{name: info.get(name) for name in COLUMNS}, "reply": content})
