"""An OpenAI-compatible endpoint on loopback that does what a test tells it to, call by call."""

import json
import threading
from functools import cache
from itertools import count

from pytest_httpserver import HTTPServer
from werkzeug import Response

USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}


def event(data):
    return f"data: {data if isinstance(data, str) else json.dumps(data)}\n\n"


def chunk(delta=None, finish=None, **more):
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return event(
        {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m-2026", "choices": choices}
        | more
    )


def begun(text):
    """The events of a reply up to, and without, its end."""
    return chunk({"role": "assistant", "content": ""}) + "".join(
        chunk({"content": word}) for word in text.split("|")
    )


def ended(finish="stop"):
    return chunk({}, finish) + chunk(usage=USAGE) + event("[DONE]")


def stream(text, finish="stop"):
    return events(begun(text) + ended(finish))


def events(body, **headers):
    return Response(body, content_type="text/event-stream", headers=headers)


def completion(text, finish="stop", **more):
    message = {"role": "assistant", "content": text} | more
    body = {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": "m-2026",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": USAGE,
    }
    return Response(json.dumps(body), content_type="application/json")


def response(text="", status="completed", **more):
    """A whole answer of the Responses API, as a value."""
    part = {"type": "output_text", "text": text, "annotations": []}
    message = {"id": "m", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
    return {
        "id": "resp_1",
        "object": "response",
        "model": "m-2026",
        "status": status,
        "output": [message],
        "usage": {
            "input_tokens": 11,
            "output_tokens": 7,
            "total_tokens": 18,
            "input_tokens_details": {"cached_tokens": 4},
            "output_tokens_details": {"reasoning_tokens": 3},
        },
    } | more


def response_events(*pieces, end):
    """The events of a streamed answer: pairs of kind and text, then the whole answer."""
    kinds = {"text": "output_text", "refusal": "refusal", "reasoning": "reasoning_summary_text"}
    body = "".join(event({"type": f"response.{kinds[kind]}.delta", "delta": text}) for kind, text in pieces)
    return events(body + (event({"type": f"response.{end['status']}", "response": end}) if end else ""))


def several(texts, usage=USAGE):
    """A whole completion with several choices, as a value."""
    choices = [
        {"index": index, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        for index, text in enumerate(texts)
    ]
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "m-2026"} | {
        "choices": choices,
        "usage": usage,
    }


def as_json(value):
    return Response(json.dumps(value), content_type="application/json")


def refusal(status, message, code=None, **headers):
    body = {"error": {"message": message, "type": "t", "code": code, "param": None}}
    return Response(json.dumps(body), status=status, content_type="application/json", headers=headers)


@cache
def _server():
    """One server for all tests: stopping one takes half a second."""
    server = HTTPServer(threaded=True)
    server.start()
    return server


class Endpoint:
    """Answers each call by `answer(number, request)`, numbers from 0, and remembers what it was sent."""

    _places = count()

    def __init__(self, answer):
        self.answer = answer
        self.seen = []
        self._lock = threading.Lock()
        place = f"/{next(self._places)}/v1"
        for path in ("chat/completions", "responses"):
            _server().expect_request(f"{place}/{path}").respond_with_handler(self._handle)
        self.url = _server().url_for(place)

    def _handle(self, request):
        with self._lock:
            number = len(self.seen)
            self.seen.append((dict(request.headers), request.get_json()))
        return self.answer(number, request)
