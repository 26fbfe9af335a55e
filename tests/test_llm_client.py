"""The real client against endpoints that misbehave: what was paid for is kept, the rest asked for again."""

import socket
import threading
import time
from contextlib import closing

import pytest
from misbehaving import USAGE, Endpoint, begun, chunk, completion, ended, event, events, refusal, stream
from werkzeug import Response

from harness.errors import EnvironmentFailure, UsageError
from harness.llm import ModelSpec, collect, public_url
from harness.records import Prompt
from harness.store import Store

KEY = "sk-secret-0123456789abcdef"
PROMPT = Prompt(hash="p1", text="make it fast", problem="cumsum_exclusive", stage="tuning", gpu="4090")


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "s.db") as opened:
        yield opened


@pytest.fixture
def asked(store):
    """Collects `samples` replies from an endpoint, and returns the outcomes in order of sample."""

    def ask(endpoint, samples=1, prompts=(PROMPT,), **changes):
        spec = ModelSpec(
            **{"model": "m", "base_url": endpoint.url, "max_retries": 0, "timeout_s": 5.0} | changes
        )
        found = list(collect(prompts, spec, range(samples), store, store.start_run("test")))
        return sorted(found, key=lambda outcome: outcome.stored.reply.sample)

    return ask


@pytest.mark.parametrize("streaming", [True, False])
def test_reply_is_kept_with_all_that_the_endpoint_says(asked, store, streaming):
    def answer(_, request):
        return (
            stream("```python|\nx = 1\n|```")
            if request.get_json().get("stream")
            else completion("```python\nx = 1\n```")
        )

    endpoint = Endpoint(answer)
    (outcome,) = asked(endpoint, stream=streaming, temperature=0.5, top_p=0.9, max_tokens=100)
    ((headers, body),) = endpoint.seen
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert (body["model"], body["messages"]) == ("m", [{"role": "user", "content": "make it fast"}])
    assert (body["temperature"], body["top_p"], body["max_tokens"]) == (0.5, 0.9, 100)
    reply = outcome.stored.reply
    assert (outcome.kind, reply.text, reply.finish_reason) == ("received", "```python\nx = 1\n```", "stop")
    assert reply.usage.items() >= USAGE.items()
    assert (reply.model_id, reply.prompt_hash, reply.source) == ("m-2026", "p1", endpoint.url)
    assert reply.latency_s >= 0
    assert outcome.stored.parameters == {"temperature": 0.5, "top_p": 0.9, "max_tokens": 100}
    assert store.prompt("p1") == PROMPT


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
@pytest.mark.parametrize("streaming", [True, False])
def test_reasoning_is_kept_apart(asked, field, streaming):
    def answer(*_):
        if not streaming:
            return completion("done", **{field: "I think"})
        return events(chunk({field: "I "}) + chunk({field: "think"}) + chunk({"content": "done"}) + ended())

    endpoint = Endpoint(answer)
    (outcome,) = asked(endpoint, stream=streaming)
    assert (outcome.stored.reply.text, outcome.stored.extra["reasoning"]) == ("done", "I think")


@pytest.mark.parametrize("finish", ["length", "content_filter", "tool_calls"])
def test_finish_reason_is_kept(asked, finish):
    endpoint = Endpoint(lambda *_: stream("half a rep", finish))
    (outcome,) = asked(endpoint)
    assert (outcome.kind, outcome.stored.reply.text, outcome.stored.reply.finish_reason) == (
        "received",
        "half a rep",
        finish,
    )


@pytest.mark.parametrize("text", ["", "\x00 é \U0001f600", "x" * 10_000_000])
@pytest.mark.parametrize("streaming", [True, False])
def test_any_text_comes_through(asked, text, streaming):
    endpoint = Endpoint(lambda *_: stream(text) if streaming else completion(text))
    (outcome,) = asked(endpoint, stream=streaming)
    assert (outcome.kind, outcome.stored.reply.text == text) == ("received", True)


def test_half_characters_are_replaced(asked):
    endpoint = Endpoint(lambda *_: stream("a\ud800b"))
    (outcome,) = asked(endpoint)
    assert outcome.stored.reply.text == "a?b"


@pytest.mark.parametrize(
    "first",
    [
        refusal(429, "slow down", **{"Retry-After": "0.05"}),
        refusal(429, "slow down", **{"retry-after-ms": "20"}),
        refusal(500, "oops", **{"retry-after-ms": "20"}),
        refusal(503, "busy", **{"retry-after-ms": "20"}),
        refusal(408, "too slow", **{"retry-after-ms": "20"}),
    ],
    ids=lambda response: str(response.status_code),
)
def test_passing_trouble_is_tried_again_by_the_client(asked, first):
    endpoint = Endpoint(lambda number, _: first if number == 0 else stream("fine"))
    (outcome,) = asked(endpoint, max_retries=1)
    assert (outcome.kind, outcome.stored.reply.text, outcome.stored.extra["retries"]) == (
        "received",
        "fine",
        1,
    )
    assert len(endpoint.seen) == 2


def stall(seconds):
    def body():
        yield begun("half a |reply").encode()
        time.sleep(seconds)

    return body()


FAILURES = {
    "rate limit": (True, lambda: refusal(429, "slow down"), "", "HTTP 429: slow down"),
    "server error": (True, lambda: refusal(500, "oops"), "", "HTTP 500: oops"),
    "error page": (True, lambda: Response("<h1>Bad gateway</h1>", status=502), "", "HTTP 502"),
    "silence": (True, lambda: time.sleep(2.5) or stream("late"), "", "timed out"),
    "silence in the middle": (True, lambda: events(stall(2.5)), "half a reply", "timed out"),
    "no end": (True, lambda: events(begun("half a |reply")), "half a reply", "ended before it was whole"),
    "fewer bytes than said": (
        True,
        lambda: events(iter([begun("half a |reply").encode()]), **{"Content-Length": "100000"}),
        "half a reply",
        "onnection",
    ),
    "error in the stream": (
        True,
        lambda: events(begun("half|") + event({"error": {"message": "overloaded"}})),
        "half",
        "overloaded",
    ),
    "malformed event": (
        True,
        lambda: events(begun("half|") + event('{"choices": [')),
        "half",
        "malformed data",
    ),
    "bytes that are no text": (True, lambda: events(b"data: \xff\xfe\n\n"), "", "malformed data"),
    "an event that is no object": (True, lambda: events(event("[1, 2]")), "", "not a chat completion"),
    "a page instead of a stream": (True, lambda: Response("<h1>hello</h1>"), "", "whole"),
    "malformed body": (
        False,
        lambda: Response('{"choices": [', content_type="application/json"),
        "",
        "malformed data",
    ),
    "a page instead of a body": (False, lambda: Response("<h1>hello</h1>"), "", "not a chat completion"),
    "a body without choices": (False, lambda: Response("{}", content_type="application/json"), "", "whole"),
    "a list instead of a body": (
        False,
        lambda: Response("[]", content_type="application/json"),
        "",
        "not a chat completion",
    ),
}


@pytest.mark.parametrize(("streaming", "broken", "kept", "said"), FAILURES.values(), ids=FAILURES)
def test_broken_call_keeps_what_came_and_is_made_again(asked, store, streaming, broken, kept, said):
    def answer(number, _):
        if number == 0:
            return broken()
        return stream("whole") if streaming else completion("whole")

    endpoint = Endpoint(answer)
    (outcome,) = asked(endpoint, stream=streaming, timeout_s=1.0 if said == "timed out" else 30.0)
    assert outcome.kind == "failed"
    assert (outcome.stored.state, outcome.stored.reply.text) == ("failed", kept)
    assert said in outcome.stored.error
    (again,) = asked(endpoint, stream=streaming)
    assert (again.kind, again.stored.reply.text) == ("received", "whole")
    assert [row.reply.text for row in store.replies(state="failed")] == [kept]


def test_refused_connection(asked):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        endpoint = type("Nobody", (), {"url": f"http://127.0.0.1:{taken.getsockname()[1]}/v1"})
        (outcome,) = asked(endpoint)
    assert (outcome.kind, outcome.stored.state) == ("failed", "failed")
    assert "onnect" in outcome.stored.error


@pytest.mark.parametrize(
    ("response", "said"),
    [
        (refusal(401, f"Incorrect API key provided: {KEY}"), "OPENAI_API_KEY"),
        (refusal(403, "not for you"), "OPENAI_API_KEY"),
        (refusal(400, "context too long"), "context too long"),
        (refusal(404, "no model m"), "--model"),
        (refusal(422, "unknown field"), "unknown field"),
        (refusal(429, "no credit", "insufficient_quota"), "no credit"),
    ],
    ids=lambda value: str(getattr(value, "status_code", "")),
)
def test_hopeless_refusal_stops_at_once(asked, store, response, said):
    endpoint = Endpoint(lambda *_: response)
    with pytest.raises(EnvironmentFailure, match=said) as caught:
        asked(endpoint, samples=50, concurrency=2)
    assert len(endpoint.seen) <= 2
    assert "\n" not in str(caught.value)
    assert KEY not in str(caught.value)
    assert len(list(store.replies(state="failed"))) == len(endpoint.seen)


def test_calls_in_flight_at_a_refusal_are_kept(asked, store):
    both = threading.Barrier(2, timeout=10)

    def answer(number, _):
        both.wait()
        if number == 0:
            return refusal(401, "no")
        time.sleep(0.1)
        return stream("paid for")

    endpoint = Endpoint(answer)
    with pytest.raises(EnvironmentFailure):
        asked(endpoint, samples=9, concurrency=2)
    assert [row.reply.text for row in store.replies()] == ["paid for"]


def test_same_calls_again_buy_only_what_is_missing(asked):
    endpoint = Endpoint(lambda number, _: refusal(500, "oops") if number == 2 else stream(f"reply {number}"))
    first = asked(endpoint, samples=4, concurrency=1)
    second = asked(endpoint, samples=6, concurrency=1)
    third = asked(endpoint, samples=6)
    assert [outcome.kind for outcome in first] == ["received", "received", "failed", "received"]
    assert [outcome.kind for outcome in second] == [
        "kept",
        "kept",
        "received",
        "kept",
        "received",
        "received",
    ]
    assert [outcome.kind for outcome in third] == ["kept"] * 6
    texts = [outcome.stored.reply.text for outcome in third]
    assert texts == ["reply 0", "reply 1", "reply 4", "reply 3", "reply 5", "reply 6"]
    assert len(endpoint.seen) == 7


@pytest.mark.parametrize(
    "changes",
    [{"temperature": 0.1}, {"model": "n"}, {"prompts": (PROMPT.model_copy(update={"hash": "p2"}),)}],
)
def test_another_call_is_bought(asked, changes):
    endpoint = Endpoint(lambda *_: stream("x"))
    asked(endpoint)
    assert [outcome.kind for outcome in asked(endpoint, **changes)] == ["received"]


def test_how_a_reply_travels_makes_no_other_call(asked):
    endpoint = Endpoint(lambda *_: stream("x"))
    asked(endpoint)
    assert asked(endpoint, stream=False, timeout_s=9.0, concurrency=3)[0].kind == "kept"
    assert len(endpoint.seen) == 1


def test_several_prompts(asked):
    prompts = (PROMPT, PROMPT.model_copy(update={"hash": "p2", "text": "another", "stage": "other"}))
    endpoint = Endpoint(lambda _, request: stream(request.get_json()["messages"][0]["content"]))
    found = asked(endpoint, samples=2, prompts=prompts)
    assert sorted((o.stored.reply.stage, o.stored.reply.sample, o.stored.reply.text) for o in found) == [
        ("other", 0, "another"),
        ("other", 1, "another"),
        ("tuning", 0, "make it fast"),
        ("tuning", 1, "make it fast"),
    ]


def test_calls_run_side_by_side_up_to_the_limit(asked):
    together = threading.Barrier(3, timeout=10)
    flying, most = [], []

    def answer(number, _):
        flying.append(number)
        most.append(len(flying))
        together.wait()
        flying.remove(number)
        return stream("x")

    endpoint = Endpoint(answer)
    assert [outcome.kind for outcome in asked(endpoint, samples=6, concurrency=3)] == ["received"] * 6
    assert max(most) == 3


def test_caller_works_while_calls_go_on(store):
    arrived = threading.Event()

    def answer(number, _):
        if number:
            arrived.set()
        return stream("x")

    endpoint = Endpoint(answer)
    spec = ModelSpec(model="m", base_url=endpoint.url, concurrency=1)
    outcomes = collect([PROMPT], spec, range(2), store, store.start_run("test"))
    next(outcomes)
    assert arrived.wait(10)
    assert [outcome.kind for outcome in outcomes] == ["received"]


def test_stopping_early_keeps_what_came(store):
    waiting = threading.Event()

    def answer(number, _):
        if number == 0:
            return stream("first")

        def body():
            yield begun("half a |reply").encode()
            waiting.wait(10)

        return events(body())

    endpoint = Endpoint(answer)
    spec = ModelSpec(model="m", base_url=endpoint.url, concurrency=1)
    with closing(collect([PROMPT], spec, range(9), store, store.start_run("test"))) as outcomes:
        assert next(outcomes).stored.reply.text == "first"
        while len(endpoint.seen) < 2:
            time.sleep(0.01)
        time.sleep(0.1)
    waiting.set()
    assert [row.reply.text for row in store.replies()] == ["first"]
    (unknown,) = store.replies(state="unknown")
    assert (unknown.reply.text, unknown.error) == ("half a reply", "interrupted")
    assert len(endpoint.seen) == 2


@pytest.mark.parametrize("streaming", [True, False])
def test_key_never_reaches_the_store(asked, store, streaming):
    said = f"your key is {KEY}"

    def answer(number, _):
        if number == 0:
            return refusal(500, said)
        return stream(said) if streaming else completion(said)

    endpoint = Endpoint(answer)
    url = endpoint.url.replace("//", f"//user:{KEY}@")
    for _ in range(2):
        asked(type("At", (), {"url": url}), stream=streaming)
    assert [row.reply.text for row in store.replies()] == ["your key is ***"]
    content = b"".join(path.read_bytes() for path in store.path.parent.iterdir())
    assert b"your key is ***" in content
    assert KEY.encode() not in content


def test_key_comes_from_the_named_variable(asked, monkeypatch):
    monkeypatch.setenv("ANOTHER_KEY", "other")
    endpoint = Endpoint(lambda *_: stream("x"))
    asked(endpoint, key_env="ANOTHER_KEY")
    assert endpoint.seen[0][0]["Authorization"] == "Bearer other"


def test_own_server_needs_no_key(asked, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    endpoint = Endpoint(lambda *_: stream("x"))
    assert asked(endpoint)[0].kind == "received"


@pytest.mark.parametrize(
    ("changes", "value", "error", "said"),
    [
        ({"base_url": None}, None, EnvironmentFailure, "set OPENAI_API_KEY"),
        ({"key_env": "NO_SUCH_KEY"}, None, EnvironmentFailure, "set NO_SUCH_KEY"),
        ({}, "schlüssel", EnvironmentFailure, "no header can carry"),
        ({"base_url": "localhost:8000"}, KEY, UsageError, "no address"),
        ({"base_url": "http://[::1"}, KEY, UsageError, "no address"),
        ({"base_url": "http://host:99999/"}, KEY, UsageError, "no address"),
        ({"base_url": "http://host/v1?key=abc"}, KEY, UsageError, "no address"),
        ({"model": "replay:no/such/folder"}, None, UsageError, "no such folder"),
    ],
)
def test_endpoint_that_cannot_be_asked(asked, monkeypatch, changes, value, error, said):
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    if value is None:
        monkeypatch.delenv("OPENAI_API_KEY")
    else:
        monkeypatch.setenv("OPENAI_API_KEY", value)
    with pytest.raises(error, match=said):
        asked(type("At", (), {"url": "http://localhost:1/v1"}), **changes)


@pytest.mark.parametrize(
    ("url", "public"),
    [
        ("https://api.example.com/v1", "https://api.example.com/v1"),
        ("http://user:pass@host:8000/v1?api-key=abc#x", "http://host:8000/v1"),
        ("http://user:p/a@ss@[::1/v1", "http://[::1/v1"),
        ("no address", "no address"),
    ],
)
def test_public_url(url, public):
    assert public_url(url) == public


def test_full_disk_stops_the_collector(store):
    endpoint = Endpoint(lambda *_: stream("x" * 50_000))
    pages = store._pragma("page_count")
    store._connection.execute(f"PRAGMA max_page_count = {pages + 30}")
    spec = ModelSpec(model="m", base_url=endpoint.url, concurrency=4)
    with pytest.raises(EnvironmentFailure, match="disk is full"):
        list(collect([PROMPT], spec, range(40), store, store.start_run("test")))
    assert len(endpoint.seen) < 40
    assert all(len(row.reply.text) == 50_000 for row in store.replies())
