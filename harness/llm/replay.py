"""An OpenAI-compatible server on loopback that answers from recorded replies: no key, no network."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from harness.errors import EnvironmentFailure
from harness.llm.replay_folder import ANY_STAGE, ReplayFolder
from harness.reply_files import decode

STAGE_HEADER = "X-Kernel-Harness-Stage"
SAMPLE_HEADER = "X-Kernel-Harness-Sample"
EXHAUSTED = "replay_exhausted"
_PIECES = 20


class ReplayServer:
    """Serves a folder for as long as its block lasts; `url` is what an OpenAI client takes as base URL."""

    def __init__(self, folder: Path | str, *, port: int = 0) -> None:
        self.folder = ReplayFolder(folder)
        self._served: Counter[str] = Counter()
        self._lock = threading.Lock()
        try:
            self._http = _Server(("127.0.0.1", port), self)
        except OSError as error:
            raise EnvironmentFailure(f"cannot listen on 127.0.0.1, port {port}: {error.strerror}") from error
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """Base URL of the server."""
        return f"http://127.0.0.1:{self._http.server_port}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def pick(self, stage: str | None, sample: int | None) -> tuple[int, Path | None]:
        """Return the sample that is answered, the next one where none is named, and its file."""
        with self._lock:
            if sample is None:
                sample = self._served[stage or ANY_STAGE]
                self._served[stage or ANY_STAGE] += 1
        return sample, self.folder.samples(stage).get(sample)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, address: tuple[str, int], replay: ReplayServer) -> None:
        self.replay = replay
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Pass over a client that hung up, as an interrupted command does."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, *_: object) -> None:
        """Say nothing: stderr belongs to the command."""

    def do_GET(self) -> None:
        if self.path.rstrip("/") != "/v1/models":
            self._fail(404, "not_found", f"no such path {self.path}")
            return
        model = {"id": "replay", "object": "model", "created": 0, "owned_by": "kernel-harness"}
        self._send_json(200, {"object": "list", "data": [model]})

    def do_POST(self) -> None:
        try:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            stream = bool(json.loads(body).get("stream"))
            wanted = self.headers.get(SAMPLE_HEADER)
            sample = int(wanted) if wanted else None
        except (ValueError, AttributeError) as error:
            self._fail(400, "bad_request", f"the request is not what it should be: {error}")
            return
        if self.path.rstrip("/") != "/v1/chat/completions":
            self._fail(404, "not_found", f"no such path {self.path}")
            return
        self._answer(self.headers.get(STAGE_HEADER), sample, stream=stream)

    def _answer(self, stage: str | None, sample: int | None, *, stream: bool) -> None:
        replay = self.server.replay
        sample, path = replay.pick(stage, sample)
        if path is None:
            held = f"{len(replay.folder.samples(stage))} replies" + (f" for stage {stage}" if stage else "")
            self._fail(404, EXHAUSTED, f"{replay.folder.path} holds {held}; there is no sample {sample}")
            return
        try:
            text = decode(path.read_bytes())[0]
        except OSError as error:
            self._fail(404, "not_found", f"cannot read {path}: {error.strerror}")
            return
        if stream:
            self._send_stream(path.name, text)
            return
        choice = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        self._send_json(200, _completion(path.name, "chat.completion", choice))

    def _fail(self, status: int, code: str, message: str) -> None:
        self._send_json(
            status, {"error": {"message": message, "type": "invalid_request_error", "code": code}}
        )

    def _send_json(self, status: int, value: dict[str, Any]) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _send_stream(self, name: str, text: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for delta in _deltas(text):
            choice = {"delta": delta, "finish_reason": None if delta else "stop"}
            self._send_event(json.dumps(_completion(name, "chat.completion.chunk", choice)))
        self._send_event("[DONE]")
        self.wfile.write(b"0\r\n\r\n")

    def _send_event(self, data: str) -> None:
        content = f"data: {data}\n\n".encode()
        self.wfile.write(f"{len(content):x}\r\n".encode() + content + b"\r\n")


def _deltas(text: str) -> Iterator[dict[str, str]]:
    """Yield the text in pieces; the empty one at the end carries the finish reason."""
    yield {"role": "assistant", "content": ""}
    step = max(1, -(-len(text) // _PIECES))
    for start in range(0, len(text), step):
        yield {"content": text[start : start + step]}
    yield {}


def _completion(name: str, kind: str, choice: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": f"replay-{name}",
        "object": kind,
        "created": int(time.time()),
        "model": f"replay/{name}",
        "choices": [{"index": 0, **choice}],
    }
