"""Keeps the key out of what libraries log, as they do where OPENAI_LOG is set."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from harness.llm.endpoint import Endpoint

_FORMATTER = logging.Formatter()


class _Scrubbing(logging.Filter):
    """Takes the key out of every record that passes."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__()
        self._endpoint = endpoint

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = self._endpoint.scrub(record.getMessage()), ()
        if record.exc_info:
            record.exc_text = self._endpoint.scrub(_FORMATTER.formatException(record.exc_info))
        return True


@contextmanager
def scrubbed_logs(endpoint: Endpoint) -> Iterator[None]:
    """Let nothing with the key in it out of the handlers that are there, for as long as the block lasts."""
    scrubbing = _Scrubbing(endpoint)
    handlers = [handler for name in (None, "openai", "httpx") for handler in logging.getLogger(name).handlers]
    for handler in handlers:
        handler.addFilter(scrubbing)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(scrubbing)
