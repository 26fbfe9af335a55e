"""The same judges at the URL of a `serve-judge`: nothing but the standard library, and no torch."""

from __future__ import annotations

import json
import queue
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as LateError
from http.client import HTTPException
from types import TracebackType
from typing import Self

from pydantic import ValidationError

from eval.records import Failed
from harness.adapters.asking import Outcome, taken_out
from harness.adapters.judges import TIMEOUT_S
from harness.errors import EnvironmentFailure, UsageError
from harness.judge_server.records import Answer, Question

_AT_ONCE = 64
_FULL, _GONE, _REFUSED = 429, 503, frozenset({400, 404, 413, 415, 422})
_NOT_LET_IN = frozenset({401, 403})
_PAUSE_S = 1.0
_GRACE_S = 0.5
"""So that a thread whose time is over can still say why."""


class RemoteJudges:
    """Asks a server; where it is full, waits as long as it says, and never longer than the batch may take."""

    def __init__(self, url: str, token: str | None = None, at_once: int = _AT_ONCE) -> None:
        """`url` is what `serve-judge` prints; at most `at_once` questions are under way."""
        if not url.startswith(("http://", "https://")):
            raise UsageError(f"{url!r} is no URL of a judge; `kernel-harness serve-judge` prints it")
        self._url = url.rstrip("/") + "/v1/evaluate"
        self._headers = {"Content-Type": "application/json"}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"
        self._at_once = at_once

    def ask(self, questions: Sequence[Question], timeout_s: float = TIMEOUT_S) -> list[Outcome]:
        """Return an outcome of each; see `Judges`. The threads of what is late end by themselves."""
        until = time.monotonic() + timeout_s
        tasks: queue.SimpleQueue[tuple[Question, Future[Outcome]]] = queue.SimpleQueue()
        futures: list[Future[Outcome]] = []
        for question in questions:
            future: Future[Outcome] = Future()
            futures.append(future)
            tasks.put((question, future))
        for _ in range(min(self._at_once, len(futures))):
            # Daemons: a server that dribbles its answer must not hold up the end of a trainer either.
            threading.Thread(target=self._work, args=(tasks, until), daemon=True).start()
        return [_outcome(future, until) for future in futures]

    def _work(self, tasks: queue.SimpleQueue[tuple[Question, Future[Outcome]]], until: float) -> None:
        while True:
            try:
                question, future = tasks.get_nowait()
            except queue.Empty:
                return
            try:
                future.set_result(self._one(question, until))
            except (UsageError, EnvironmentFailure) as error:
                future.set_exception(error)

    def _one(self, question: Question, until: float) -> Outcome:
        found = taken_out(question)
        if isinstance(found, Failed):
            return Outcome(verdict=found)
        body = question.model_copy(update={"code": found.code, "reply": None}).model_dump_json().encode()
        why = "not judged in time"
        while (left := until - time.monotonic()) > 0:
            try:
                return self._post(body, left)
            except urllib.error.HTTPError as error:
                why, pause = self._judged_by_status(error)
            except (OSError, HTTPException) as error:
                why, pause = f"the judge at {self._url} cannot be reached: {error}", _PAUSE_S
            time.sleep(max(min(pause, until - time.monotonic()), 0.0))
        return Outcome(error=why)

    def _post(self, body: bytes, timeout_s: float) -> Outcome:
        request = urllib.request.Request(self._url, body, self._headers)  # noqa: S310 - http alone, see above
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:  # noqa: S310
            text = answer.read()
        try:
            return Outcome(verdict=Answer.model_validate_json(text).verdict)
        except ValidationError as error:
            raise EnvironmentFailure(
                f"{self._url} does not answer as this version of serve-judge does: {error.errors()[0]['msg']}"
            ) from error

    def _judged_by_status(self, error: urllib.error.HTTPError) -> tuple[str, float]:
        """Return why there is no verdict yet and how many seconds to wait; raise what waiting cannot mend."""
        said = _said(error)
        if error.code in _NOT_LET_IN:
            raise EnvironmentFailure(f"{self._url} does not let us in: {said}")
        if error.code in _REFUSED:
            raise UsageError(f"{self._url}: {said}")
        pause = error.headers.get("Retry-After", "")
        return said, float(pause) if pause.isdigit() else _PAUSE_S

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None
    ) -> None:
        """Close nothing: every question has a connection of its own."""


def _said(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.loads(error.read(10_000))["error"])
    except (ValueError, KeyError, TypeError, OSError, HTTPException):
        return f"HTTP {error.code}"


def _outcome(future: Future[Outcome], until: float) -> Outcome:
    try:
        return future.result(max(until - time.monotonic(), 0.0) + _GRACE_S)
    except LateError:
        return Outcome(error="no answer in time")
