"""Content addresses: what makes two calls the same call, and two verdicts the same verdict."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Literal

from eval.records import BaselinesMode, Record, RulesMode

_LATER = ("baselines", "sanitize")


def digest(*parts: object) -> str:
    """Return the sha256 of the parts as canonical JSON, hexadecimal."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()


def utc_now() -> str:
    """Return the time as the store writes it: UTC, ISO 8601, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class CallKey(Record):
    """One call of a model. The endpoint's address is no part of it: the model is who answers."""

    model: str
    """Name at the endpoint."""
    parameters: dict[str, Any]
    """What is sent beside the prompt: temperature, top_p, max_tokens and the like."""
    prompt_hash: str
    sample: int
    name: str | None = None
    """Name that the leaderboard shows, where it is another: two of them are two models."""

    @property
    def shown(self) -> str:
        """Name that the leaderboard shows."""
        return self.name or self.model

    @property
    def hash(self) -> str:
        """The address under which the reply is kept."""
        known_as = [self.name] if self.shown != self.model else []
        return digest("call", self.model, self.parameters, self.prompt_hash, self.sample, *known_as)


class JudgeKey(Record):
    """All that decides a verdict. Equal keys mean: already judged."""

    candidate_hash: str
    """Hash of the code, or of the reply's text where no code was found in it."""
    problem: str
    problem_hash: str
    stage: str | None = None
    stage_hash: str | None = None
    current_hash: str | None = None
    context_hash: str | None = None
    """Hash of what else the stage's rules look at: metrics and GPU spec."""
    rules: RulesMode = "strict"
    device: Literal["cuda", "cpu"] | None = None
    size: str | None = None
    evaluator: str
    gpu_name: str | None = None
    """Device name of the GPU that judges; None on a CPU."""
    baselines: BaselinesMode = "live"
    """Whether times of baselines may be from earlier in the judge's session."""
    sanitize: bool = False
    """Whether compute-sanitizer looked at what passed."""

    @property
    def hash(self) -> str:
        """The address under which the verdict is kept; defaults that older keys do not know are left out."""
        left_out = {name for name in _LATER if getattr(self, name) == type(self).model_fields[name].default}
        return digest("judge", self.model_dump(mode="json", exclude=left_out))
