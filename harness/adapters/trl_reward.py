"""A reward function for TRL's trainers: ``reward_func(prompts, completions, **columns)``.

TRL leaves out a sample whose reward is None, so our own failures never train.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness.adapters.judges import TIMEOUT_S, Judges
from harness.adapters.rewards import COLUMNS, Scorer
from harness.reward import RewardSettings

Completion = str | Sequence[Mapping[str, Any]]
RewardFunction = Callable[..., list[float | None]]


def trl_reward(
    judges: Judges, settings: RewardSettings | None = None, *, timeout_s: float = TIMEOUT_S, **defaults: str
) -> RewardFunction:
    """Return the function for ``GRPOTrainer(reward_funcs=...)``.

    The data set's columns `problem`, `stage`, `gpu` and `size` say what each completion is judged on;
    `defaults` stand in for those that it lacks.
    """
    scorer = Scorer(judges, settings, timeout_s=timeout_s, **defaults)

    def kernel_harness(
        prompts: Sequence[Any],  # noqa: ARG001 - TRL's signature
        completions: Sequence[Completion],
        **columns: Any,
    ) -> list[float | None]:
        rows = [
            {name: columns[name][place] for name in COLUMNS if name in columns}
            for place in range(len(completions))
        ]
        worth = scorer.score([_text(completion) for completion in completions], rows)
        _log(columns.get("log_extra"), [one.kind for one in worth])
        return [one.value for one in worth]

    return kernel_harness


def _log(log_extra: Any, kinds: list[str]) -> None:
    """Hand the kinds to TRL's table of completions, where its version keeps one."""
    if callable(log_extra):
        log_extra("kernel_harness_kind", kinds)


def _text(completion: Completion) -> str:
    """Return the last word of the assistant, or the text itself where there is no conversation."""
    if isinstance(completion, str):
        return completion
    said = [turn.get("content") for turn in completion if turn.get("role") == "assistant"]
    last = said[-1] if said else ""
    if isinstance(last, str):
        return last
    return "".join(str(part.get("text", "")) for part in last or () if isinstance(part, Mapping))
