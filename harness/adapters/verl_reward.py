"""Reward functions for verl: ``compute_score`` for one reply, ``compute_scores`` for its batch manager.

verl has no sample without a reward. A masked one gets the mean of the others of its group, or of what
its problem has earned in this process: near to an advantage of nothing. ``masked`` in the dict says so.
"""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from eval.records import Record
from harness.adapters.judges import TIMEOUT_S, Judges, LocalJudges
from harness.adapters.remote import RemoteJudges
from harness.adapters.rewards import Scorer
from harness.reward import Reward, RewardSettings

LOCAL = "local"
TOKEN_VARIABLE = "KERNEL_HARNESS_TOKEN"  # noqa: S105 - the name of a variable
Score = dict[str, float | str]
Group = tuple[object, ...]


class _Earned:
    """What a problem has earned so far in this process; threads share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sums: dict[Group, tuple[float, int]] = defaultdict(lambda: (0.0, 0))

    def add(self, group: Group, value: float) -> None:
        with self._lock:
            total, count = self._sums[group]
            self._sums[group] = (total + value, count + 1)

    def mean(self, group: Group) -> float:
        total, count = self._sums[group]
        return total / count if count else 0.0


_EARNED = _Earned()
_STARTING = threading.Lock()


class Judging(Record):
    """Where and how long; verl hands it over as the ``reward_kwargs`` of its configuration."""

    judge: str = LOCAL
    """URL of a `serve-judge`, or ``local`` for judges in this process."""
    device: str = "auto"
    slots: int = 1
    timeout_s: float = TIMEOUT_S
    settings: RewardSettings = RewardSettings()


def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: Any,
    extra_info: Mapping[str, Any] | None = None,
    **reward_kwargs: Any,
) -> Score:
    """Return the score of one reply with its parts; `ground_truth` or `extra_info` name the problem."""
    (score,) = compute_scores([data_source], [solution_str], [ground_truth], [extra_info], **reward_kwargs)
    return score


def compute_scores(
    data_sources: Sequence[str],  # noqa: ARG001 - verl's signature
    solution_strs: Sequence[str],
    ground_truths: Sequence[Any],
    extra_infos: Sequence[Mapping[str, Any] | None],
    **reward_kwargs: Any,
) -> list[Score]:
    """Return the scores of a batch, for the reward manager ``batch``."""
    known = {name: value for name, value in reward_kwargs.items() if name in Judging.model_fields}
    judging = Judging.model_validate(known)
    rows = [_row(truth, extra) for truth, extra in zip(ground_truths, extra_infos, strict=True)]
    with _STARTING:
        judges = _judges(judging.judge, judging.device, judging.slots)
    scorer = Scorer(judges, judging.settings, timeout_s=judging.timeout_s)
    worth = scorer.score(solution_strs, rows)
    members: dict[Group, list[float]] = defaultdict(list)
    for row, one in zip(rows, worth, strict=True):
        if one.value is not None:
            members[_group(row)].append(one.value)
            _EARNED.add(_group(row)[:-1], one.value)
    return [
        _score(one, _neutral(_group(row), members[_group(row)])) for row, one in zip(rows, worth, strict=True)
    ]


def _row(truth: Any, extra: Mapping[str, Any] | None) -> dict[str, Any]:
    named = dict(truth) if isinstance(truth, Mapping) else {"problem": truth} if truth else {}
    return named | {name: value for name, value in (extra or {}).items() if value is not None}


def _group(row: Mapping[str, Any]) -> Group:
    return tuple(row.get(name) for name in ("problem", "stage", "gpu", "size", "index"))


def _neutral(group: Group, members: Sequence[float]) -> float:
    """Return what a masked sample of the group gets."""
    return sum(members) / len(members) if members else _EARNED.mean(group[:-1])


def _score(worth: Reward, neutral: float) -> Score:
    value = worth.value if worth.value is not None else neutral
    return {
        "score": value, "acc": float(worth.kind == "passed"), "masked": float(worth.value is None),
        "kind": worth.kind, "reward_version": worth.version,
    }  # fmt: skip


@cache
def _judges(judge: str, device: str, slots: int) -> Judges:
    """Return the judges of this process; they are started once and end with it."""
    if judge == LOCAL:
        return LocalJudges(device=device, slots=slots)
    return RemoteJudges(judge, os.environ.get(TOKEN_VARIABLE))
