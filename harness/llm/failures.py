"""Sorts what an endpoint does wrong: what stops a model at once, and what is tried again."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal

import openai

from eval.records import Record
from harness.errors import EnvironmentFailure, HarnessError, UsageError
from harness.llm.endpoint import Endpoint
from harness.llm.replay import EXHAUSTED

ErrorKind = Literal[
    "auth", "quota", "bad_request", "rate_limit", "server",
    "connection", "timeout", "bad_reply", "budget", "stopped",
]  # fmt: skip

PATIENCE_S = 900.0
"""An endpoint that names a longer wait is not waited for."""
_LONGEST = 300
_CLIENT_ERRORS, _SERVER_ERRORS = range(400, 500), range(500, 600)
_REQUEST_TIMEOUT, _CONFLICT, _TOO_MANY = 408, 409, 429


class BadReplyError(Exception):
    """The endpoint answered with something that is not a whole reply."""


CALL_ERRORS = (openai.APIError, json.JSONDecodeError, UnicodeDecodeError, TimeoutError, BadReplyError)
"""What one call may raise through no fault of ours."""


class Trouble(Record):
    """Why a call gave no whole reply."""

    kind: ErrorKind
    line: str
    """One line on what went wrong, without the key."""
    fatal: bool
    """Every further call to the same model would fail too."""
    retry_after_s: float | None = None
    """The wait that the endpoint asks for, in seconds."""


def trouble_of(error: Exception, endpoint: Endpoint) -> Trouble:
    """Class one of `CALL_ERRORS`."""
    kind = _kind(error)
    wait = retry_after_s(error.response.headers) if isinstance(error, openai.APIStatusError) else None
    hopeless = kind in {"auth", "quota", "bad_request"}
    return Trouble(
        kind=kind,
        line=describe(error, endpoint),
        fatal=hopeless or (wait is not None and wait > PATIENCE_S),
        retry_after_s=wait,
    )


def _kind(error: Exception) -> ErrorKind:
    if isinstance(error, openai.APITimeoutError | TimeoutError):
        return "timeout"
    if isinstance(error, openai.APIConnectionError):
        return "connection"
    if isinstance(error, openai.APIStatusError):
        return _kind_of_status(error)
    return "server" if isinstance(error, openai.APIError) else "bad_reply"


def _kind_of_status(error: openai.APIStatusError) -> ErrorKind:
    status = error.status_code
    if error.code == "insufficient_quota":
        return "quota"
    if status in {401, 403}:
        return "auth"
    if status == _TOO_MANY:
        return "rate_limit"
    if status in {_REQUEST_TIMEOUT, _CONFLICT}:
        return "timeout" if status == _REQUEST_TIMEOUT else "server"
    return "bad_request" if status in _CLIENT_ERRORS else "server"


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return the wait that headers ask for, in seconds: a number, a date, or milliseconds."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        wait = _number(headers.get(name))
        if wait is not None:
            return wait * unit
    return _until(headers.get("retry-after"))


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text else math.nan
    except ValueError:
        return None
    return value if 0 <= value < math.inf else None


def _until(date: str | None) -> float | None:
    try:
        then = parsedate_to_datetime(date) if date else None
    except ValueError:
        return None
    if then is None:
        return None
    return max(0.0, (then.replace(tzinfo=then.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def describe(error: Exception, endpoint: Endpoint) -> str:
    """Return one line on what went wrong, without the key."""
    if isinstance(error, openai.APIStatusError):
        said = error.body.get("message") if isinstance(error.body, dict) else None
        text = f"HTTP {error.status_code}: {said or error.message}"
    elif isinstance(error, json.JSONDecodeError | UnicodeDecodeError):
        text = f"the endpoint sent malformed data: {error}"
    elif isinstance(error, openai.APIConnectionError) and error.__cause__ is not None:
        text = f"{error.message} {error.__cause__}".strip()
    elif isinstance(error, TimeoutError):
        text = "the call timed out: it went on for longer than call_timeout_s"
    else:
        text = str(error)
    line = endpoint.scrub(" ".join(text.split()))
    return line if len(line) <= _LONGEST else line[:_LONGEST] + " ..."


def stop_error(error: Exception, model: str, endpoint: Endpoint) -> HarnessError:
    """Return what a command ends with after a fatal error: what happened and what to do."""
    if isinstance(error, openai.APIStatusError) and error.code == EXHAUSTED:
        return UsageError(f"{describe(error, endpoint)}: lower --samples or add replies")
    kind = _kind(error)
    advice = "change the request or the model's name"
    if kind == "auth":
        advice = f"put a valid key into {endpoint.key_env}, or name another variable with --key-env"
    elif kind == "quota":
        advice = "the account has no credit left; add some and run the same command again"
    elif kind == "rate_limit":
        advice = "it asks to wait longer than this command does; run the same command again later"
    elif isinstance(error, openai.NotFoundError):
        advice = "check --model and --base-url"
    return EnvironmentFailure(f"{model} at {endpoint.source}: {describe(error, endpoint)}; {advice}")
