"""Sorts what an endpoint does wrong: what stops a model at once, and what the next run tries again."""

from __future__ import annotations

import json

import openai

from harness.errors import EnvironmentFailure, HarnessError, UsageError
from harness.llm.replay import EXHAUSTED
from harness.llm.spec import Endpoint

_PASSING = {408, 409, 429}
_LONGEST = 300


class BadReplyError(Exception):
    """The endpoint answered with something that is not a whole chat completion."""


CALL_ERRORS = (openai.APIError, json.JSONDecodeError, UnicodeDecodeError, BadReplyError)
"""What one call may raise through no fault of ours."""


def is_fatal(error: Exception) -> bool:
    """Return whether every further call to the same model would fail too."""
    if isinstance(error, openai.APIStatusError):
        return error.code == "insufficient_quota" or (
            400 <= error.status_code < 500 and error.status_code not in _PASSING  # noqa: PLR2004 - client errors
        )
    return False


def describe(error: Exception, endpoint: Endpoint) -> str:
    """Return one line on what went wrong, without the key."""
    if isinstance(error, openai.APIStatusError):
        said = error.body.get("message") if isinstance(error.body, dict) else None
        text = f"HTTP {error.status_code}: {said or error.message}"
    elif isinstance(error, json.JSONDecodeError | UnicodeDecodeError):
        text = f"the endpoint sent malformed data: {error}"
    elif isinstance(error, openai.APIConnectionError) and error.__cause__ is not None:
        text = f"{error.message} {error.__cause__}".strip()
    else:
        text = str(error)
    line = endpoint.scrub(" ".join(text.split()))
    return line if len(line) <= _LONGEST else line[:_LONGEST] + " ..."


def stop_error(error: Exception, model: str, endpoint: Endpoint) -> HarnessError:
    """Return what a command ends with after a fatal error: what happened and what to do."""
    if isinstance(error, openai.APIStatusError) and error.code == EXHAUSTED:
        return UsageError(f"{describe(error, endpoint)}: lower --samples or add replies")
    advice = "change the request or the model's name"
    if isinstance(error, openai.APIStatusError) and error.status_code in {401, 403}:
        advice = f"put a valid key into {endpoint.key_env}, or name another variable with --key-env"
    elif isinstance(error, openai.RateLimitError):
        advice = "the account has no credit left; add some and run the same command again"
    elif isinstance(error, openai.NotFoundError):
        advice = "check --model and --base-url"
    return EnvironmentFailure(f"{model} at {endpoint.source}: {describe(error, endpoint)}; {advice}")
