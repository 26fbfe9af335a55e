"""Where a model answers, and the key that opens it. A key is read here, and never written anywhere."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from eval.records import Record
from harness.errors import EnvironmentFailure, UsageError
from harness.llm.replay import ReplayServer
from harness.llm.spec import DEFAULT_KEY, OPENAI_URL, REPLAY, ModelSpec, public_url

_HIDDEN = "***"


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
        if self.replays:
            return text
        for secret in filter(None, (self.key.get_secret_value(), urlsplit(self.url).password)):
            text = text.replace(secret, _HIDDEN)
        return text

    def scrub_all(self, value: Any) -> Any:
        """Return a JSON value without the key in any text of it."""
        if isinstance(value, str):
            return self.scrub(value)
        if isinstance(value, dict):
            return {self.scrub(str(name)): self.scrub_all(entry) for name, entry in value.items()}
        return [self.scrub_all(entry) for entry in value] if isinstance(value, list) else value


def public_source(spec: ModelSpec) -> str:
    """Return where a model answers as the store may keep it, without asking for the key."""
    return spec.model if spec.replays else public_url(address_of(spec))


@contextmanager
def open_endpoint(spec: ModelSpec) -> Iterator[Endpoint]:
    """Give the endpoint of a model; recorded replies are served for as long as the block lasts.

    Raises `UsageError` where the address or the folder is none, and `EnvironmentFailure` where the
    key's variable is not set.
    """
    if spec.replays:
        with ReplayServer(spec.model.removeprefix(REPLAY)) as server:
            yield Endpoint(url=server.url, source=spec.model, key=SecretStr("none"), key_env="", replays=True)
        return
    url = address_of(spec)
    name = spec.key_env or DEFAULT_KEY
    key = os.environ.get(name, "").strip()
    if not key and (spec.key_env or url == OPENAI_URL):
        raise EnvironmentFailure(
            f"set {name} to the key of {public_url(url)}, or name its variable with --key-env"
        )
    if not key.isascii():
        raise EnvironmentFailure(f"the key in {name} holds characters that no header can carry; set it again")
    # The client insists on a key; a server of one's own that needs none ignores it.
    yield Endpoint(url=url, source=public_url(url), key=SecretStr(key), key_env=name)


def address_of(spec: ModelSpec) -> str:
    """Return the base URL that a model is asked at; raise `UsageError` where it is none."""
    url = spec.base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI_URL
    if not _is_address(url):
        raise UsageError(
            "the base URL is no address such as http://localhost:8000/v1; give one with --base-url"
        )
    return url


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    named = parts.scheme in {"http", "https"} and bool(parts.hostname) and port != 0
    return named and not parts.query and not parts.fragment
