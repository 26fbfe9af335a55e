"""What is asked of a model: its name, its sampling, and the limits of its endpoint."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue, field_validator, model_validator

from harness.files import DataRecord
from harness.llm.prices import Price
from harness.store import CallKey

REPLAY = "replay:"
OPENAI_URL = "https://api.openai.com/v1"
DEFAULT_KEY = "OPENAI_API_KEY"
_OURS = {"model", "messages", "input", "n", "stream", "stream_options"}
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class ModelSpec(DataRecord):
    """A model with its sampling and the limits of a call; one ``[[models]]`` table of a TOML file."""

    model: str
    """Name of the model at the endpoint, or ``replay:FOLDER`` for recorded replies."""
    name: str | None = None
    """Name that the leaderboard shows; that of the endpoint if not given."""
    base_url: str | None = None
    """None is the environment's OPENAI_BASE_URL, else OpenAI itself."""
    key_env: str | None = None
    """Environment variable with the key; None is OPENAI_API_KEY, which a server of one's own may lack."""
    api: Literal["chat", "responses"] = "chat"
    """Chat Completions or Responses."""
    temperature: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    top_p: float | None = Field(default=None, gt=0, le=1)
    max_tokens: int | None = Field(default=None, gt=0)
    """Longest reply in tokens, reasoning included."""
    reasoning_effort: str | None = None
    extra_body: dict[str, JsonValue] = Field(default_factory=dict)
    """Further fields of the request, for what only some servers know."""
    n: int = Field(1, ge=1, le=128)
    """Replies asked for in one call, where the server can; it then charges the prompt once."""
    price: Price | None = None
    timeout_s: Seconds = 600.0
    """Longest silence of the endpoint in seconds."""
    call_timeout_s: Seconds = 3600.0
    """Longest whole call in seconds, for endpoints that send a token now and then for ever."""
    max_retries: int = Field(5, ge=0)
    """How often a call is sent again after 429, 5xx, a lost connection, a silence or a broken reply."""
    backoff_s: Seconds = 0.5
    """First wait before a call is sent again, where the endpoint names none; it doubles each time."""
    concurrency: int = Field(8, ge=1, le=1000)
    """Calls in flight at once."""
    requests_per_minute: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    tokens_per_minute: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Prompt and reply together."""
    stream: bool = True
    """Take the reply as it is written, so that what came of a broken one is kept."""

    @model_validator(mode="before")
    @classmethod
    def _one_name_is_enough(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and "model" not in data and isinstance(data.get("name"), str):
            return {**data, "model": data["name"]}
        return data

    @field_validator("key_env")
    @classmethod
    def _is_name(cls, name: str | None) -> str | None:
        if name is not None and not re.fullmatch(r"[A-Z_][A-Z0-9_]*", name):
            raise ValueError("give the name of an environment variable, in capitals, and not the key itself")
        return name

    @field_validator("extra_body")
    @classmethod
    def _is_not_ours(cls, body: dict[str, JsonValue]) -> dict[str, JsonValue]:
        if taken := sorted(_OURS & body.keys()):
            raise ValueError(f"{', '.join(taken)}: the collector sets it itself; leave it away")
        return body

    @model_validator(mode="after")
    def _replays_are_chats(self) -> ModelSpec:
        if self.replays and self.api != "chat":
            raise ValueError("recorded replies are served as chat completions; leave api away")
        return self

    @property
    def replays(self) -> bool:
        """Whether recorded replies answer."""
        return self.model.startswith(REPLAY)

    @property
    def shown(self) -> str:
        """Name that the leaderboard shows."""
        return self.name or self.model

    @property
    def parameters(self) -> dict[str, Any]:
        """What is sent beside the prompt and changes the reply."""
        given = {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_tokens": self.max_tokens,
            "reasoning_effort": self.reasoning_effort,
            "extra_body": self.extra_body or None,
        }
        return {name: value for name, value in given.items() if value is not None}

    def key(self, prompt_hash: str, sample: int) -> CallKey:
        """Return the address under which a reply of this model is kept."""
        return CallKey(
            model=self.model,
            name=self.name,
            parameters=self.parameters,
            prompt_hash=prompt_hash,
            sample=sample,
        )


def public_url(url: str) -> str:
    """Return an address without what may be secret in it."""
    return re.sub(r"//[^?#]*@", "//", re.split(r"[?#]", url, maxsplit=1)[0])
