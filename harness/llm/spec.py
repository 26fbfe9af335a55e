"""What is asked of a model, and where it answers. A key is named here, never held."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from eval.records import Record
from harness.errors import EnvironmentFailure, UsageError
from harness.llm.replay import ReplayServer

REPLAY = "replay:"
OPENAI_URL = "https://api.openai.com/v1"
DEFAULT_KEY = "OPENAI_API_KEY"


class ModelSpec(Record):
    """A model with its sampling and the limits of a call."""

    model: str
    """Name of the model at the endpoint, or ``replay:FOLDER`` for recorded replies."""
    base_url: str | None = None
    """None is the environment's OPENAI_BASE_URL, else OpenAI itself."""
    key_env: str | None = None
    """Environment variable with the key; None is OPENAI_API_KEY, which a server of one's own may lack."""
    temperature: float | None = Field(None, ge=0, allow_inf_nan=False)
    top_p: float | None = Field(None, gt=0, le=1)
    max_tokens: int | None = Field(None, gt=0)
    """Longest reply in tokens, reasoning included."""
    timeout_s: float = Field(600.0, gt=0, allow_inf_nan=False)
    """Longest silence of the endpoint in seconds."""
    max_retries: int = Field(5, ge=0)
    """How often a call is sent again after 429, 5xx, a lost connection or a silence."""
    concurrency: int = Field(8, ge=1, le=1000)
    """Calls in flight at once."""
    stream: bool = True
    """Take the reply as it is written, so that what came of a broken one is kept."""

    @field_validator("key_env")
    @classmethod
    def _is_name(cls, name: str | None) -> str | None:
        if name is not None and not re.fullmatch(r"[A-Z_][A-Z0-9_]*", name):
            raise ValueError("give the name of an environment variable, in capitals, and not the key itself")
        return name

    @property
    def parameters(self) -> dict[str, Any]:
        """What is sent beside the prompt and changes the reply."""
        given = {"temperature": self.temperature, "top_p": self.top_p, "max_tokens": self.max_tokens}
        return {name: value for name, value in given.items() if value is not None}


class Endpoint(Record):
    """An open address, with the key as it goes into the header."""

    url: str
    source: str
    """The address as the store may keep it: without user, password and query."""
    key: SecretStr
    key_env: str
    replays: bool = False
    """True for the server of recorded replies, which is told stage and sample of each call."""

    def scrub(self, text: str) -> str:
        """Return the text without the key, should an endpoint ever send it back."""
        key = self.key.get_secret_value()
        return text if self.replays or not key else text.replace(key, "***")


def public_url(url: str) -> str:
    """Return an address without what may be secret in it."""
    return re.sub(r"//[^?#]*@", "//", re.split(r"[?#]", url, maxsplit=1)[0])


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    named = parts.scheme in {"http", "https"} and bool(parts.hostname) and port != 0
    return named and not parts.query and not parts.fragment


@contextmanager
def open_endpoint(spec: ModelSpec) -> Iterator[Endpoint]:
    """Give the endpoint of a model; recorded replies are served for as long as the block lasts.

    Raises `UsageError` where the address or the folder is none, and `EnvironmentFailure` where the
    key's variable is not set.
    """
    if spec.model.startswith(REPLAY):
        with ReplayServer(spec.model.removeprefix(REPLAY)) as server:
            yield Endpoint(url=server.url, source=spec.model, key=SecretStr("none"), key_env="", replays=True)
        return
    url = spec.base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI_URL
    if not _is_address(url):
        raise UsageError(
            "the base URL is no address such as http://localhost:8000/v1; give one with --base-url"
        )
    name = spec.key_env or DEFAULT_KEY
    key = os.environ.get(name, "").strip()
    if not key and (spec.key_env or url == OPENAI_URL):
        raise EnvironmentFailure(
            f"set {name} to the key of {public_url(url)}, or name its variable with --key-env"
        )
    if not key.isascii():
        raise EnvironmentFailure(f"the key in {name} holds characters that no header can carry; set it again")
    # The client insists on a key; a server of one's own that needs none ignores it.
    yield Endpoint(url=url, source=public_url(url), key=SecretStr(key or "none"), key_env=name)
