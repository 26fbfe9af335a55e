"""Several models at once, both APIs, several replies a call, limits, budgets, and buying again."""

import itertools
import threading
import time
from contextlib import closing

import pytest
from misbehaving import (
    USAGE,
    Endpoint,
    as_json,
    begun,
    chunk,
    completion,
    event,
    events,
    refusal,
    response,
    response_events,
    several,
    stream,
)

from harness.errors import EnvironmentFailure
from harness.llm import Budget, ModelSpec, Order, Purse, collect_orders
from harness.records import Prompt
from harness.store import Store

PROMPT = Prompt(hash="p1", text="make it fast", problem="cumsum_exclusive", stage="tuning", gpu="4090")


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-0123456789abcdef")


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "s.db") as opened:
        yield opened


def spec(endpoint, **changes):
    return ModelSpec(
        **{"model": "m", "base_url": endpoint.url, "max_retries": 3, "timeout_s": 5.0, "backoff_s": 0.01}
        | changes
    )


@pytest.fixture
def asked(store):
    """Collects samples of each model; returns what came of each, in order of model and sample."""

    def ask(*specs, samples=1, prompts=(PROMPT,), **options):
        orders = [Order(spec=each, prompts=prompts, samples=tuple(range(samples))) for each in specs]
        found = list(collect_orders(orders, store, store.start_run("test"), **options))
        return sorted(found, key=lambda outcome: (outcome.stored.reply.model, outcome.stored.reply.sample))

    return ask


def texts(outcomes):
    return [outcome.stored.reply.text for outcome in outcomes]


def kinds(outcomes):
    return [outcome.kind for outcome in outcomes]


@pytest.mark.parametrize(
    "broken",
    [
        lambda: refusal(429, "slow down", **{"Retry-After": "0.01"}),
        lambda: refusal(429, "slow down"),
        lambda: refusal(503, "busy"),
        lambda: events(begun("half a |reply")),
        lambda: events(begun("half a |reply") + event('{"choices": [')),
        lambda: time.sleep(0.6) or stream("late"),
    ],
    ids=["429 after", "429", "503", "half", "malformed", "silence"],
)
def test_what_may_pass_is_tried_again_in_the_same_run(asked, store, broken):
    endpoint = Endpoint(lambda number, _: broken() if number < 2 else stream("whole"))
    (outcome,) = asked(spec(endpoint, timeout_s=0.3))
    assert (outcome.kind, outcome.stored.reply.text, outcome.stored.tries) == ("received", "whole", 3)
    assert len(endpoint.seen) == 3
    halves = [(row.reply.text, row.state) for row in store.replies(state="failed")]
    assert halves in ([], [("half a reply", "failed")] * 2)


def test_given_up_after_so_many_tries(asked):
    endpoint = Endpoint(lambda *_: refusal(500, "oops"))
    (outcome,) = asked(spec(endpoint))
    assert (outcome.kind, outcome.stored.tries, outcome.stored.error_kind) == ("failed", 4, "server")
    assert len(endpoint.seen) == 4


def test_endpoint_that_is_down_stops_its_model(asked):
    endpoint = Endpoint(lambda *_: refusal(500, "oops"))
    with pytest.raises(EnvironmentFailure, match=r"10 calls in a row failed.*oops"):
        asked(spec(endpoint, max_retries=0, concurrency=1), samples=50)
    assert len(endpoint.seen) == 10


def test_longer_wait_than_anybody_has_stops_the_model(asked):
    endpoint = Endpoint(lambda *_: refusal(429, "come back tomorrow", **{"Retry-After": "86400"}))
    with pytest.raises(EnvironmentFailure, match="run the same command again later"):
        asked(spec(endpoint, concurrency=1), samples=5)
    assert len(endpoint.seen) == 1


def test_wait_that_is_asked_for_holds_every_call_of_the_endpoint(asked):
    moments = []

    def answer(number, _):
        moments.append(time.monotonic())
        return refusal(429, "slow down", **{"Retry-After": "0.5"}) if number == 0 else stream("x")

    endpoint = Endpoint(answer)
    assert kinds(asked(spec(endpoint, concurrency=1), samples=3)) == ["received"] * 3
    assert min(moments[1:]) - moments[0] >= 0.5


@pytest.mark.parametrize("limit", [{"requests_per_minute": 2}, {"tokens_per_minute": 9000}])
def test_no_more_a_minute_than_the_endpoint_allows(store, limit):
    usage = {"prompt_tokens": 10, "completion_tokens": 4400}
    endpoint = Endpoint(lambda *_: events(begun("x") + chunk({}, "stop") + chunk(usage=usage)))
    paid = spec(endpoint, concurrency=4, max_tokens=4000, **limit)
    order = Order(spec=paid, prompts=(PROMPT,), samples=tuple(range(9)))
    with closing(collect_orders([order], store, store.start_run("test"))) as outcomes:
        assert [next(outcomes).kind for _ in range(2)] == ["received"] * 2
        time.sleep(0.3)
        assert len(endpoint.seen) == 2
    assert list(store.replies(state="pending")) == []


def test_tokens_that_were_guessed_too_many_hold_nobody_up(asked):
    endpoint = Endpoint(lambda *_: stream("x"))
    found = asked(spec(endpoint, concurrency=4, max_tokens=4000, tokens_per_minute=9000), samples=9)
    assert kinds(found) == ["received"] * 9


def test_usage_that_makes_no_sense_is_kept_and_not_believed(asked):
    wrong = {"prompt_tokens": -3, "completion_tokens": "many", "total_tokens": None}
    endpoint = Endpoint(lambda *_: events(begun("text") + chunk({}, "stop") + chunk(usage=wrong)))
    purse = Purse()
    (outcome,) = asked(spec(endpoint, price={"input": 3e6, "output": 3e6}), purse=purse)
    assert outcome.kind == "received"
    assert outcome.stored.reply.usage["prompt_tokens"] == -3
    guessed = outcome.stored.extra["guessed_usage"]
    assert (guessed["input"], guessed["output"]) == (4, 2)
    assert purse.spent.cost == outcome.stored.cost == 18.0


def test_cost_counts_cached_and_reasoning_tokens(asked):
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 50,
        "prompt_tokens_details": {"cached_tokens": 60},
        "completion_tokens_details": {"reasoning_tokens": 20},
    }
    endpoint = Endpoint(lambda *_: events(begun("text") + chunk({}, "stop") + chunk(usage=usage)))
    purse = Purse()
    price = {"input": 10.0, "output": 100.0, "cached_input": 1.0}
    (outcome,) = asked(spec(endpoint, price=price), purse=purse)
    assert outcome.stored.cost == pytest.approx((40 * 10 + 60 * 1 + 50 * 100) / 1e6)
    assert (purse.spent.tokens.cached, purse.spent.tokens.reasoning) == (60, 20)
    assert outcome.stored.reply.usage["prompt_tokens_details"]["cached_tokens"] == 60


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize(
    ("pieces", "changes", "text", "finish", "extra"),
    [
        ([("text", "do"), ("text", "ne")], {}, "done", "stop", {}),
        ([("reasoning", "hm"), ("text", "done")], {}, "done", "stop", {"reasoning": "hm"}),
        ([("refusal", "I will not")], {}, "", "stop", {"refusal": "I will not"}),
        (
            [("text", "half")],
            {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
            "half",
            "length",
            {},
        ),
        (
            [("text", "half")],
            {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}},
            "half",
            "content_filter",
            {},
        ),
    ],
    ids=["text", "reasoning", "refusal", "truncated", "filtered"],
)
def test_responses_api(asked, streaming, pieces, changes, text, finish, extra):
    def whole():
        items = []
        for kind, piece in pieces:
            if kind == "reasoning":
                items.append(
                    {"id": "r", "type": "reasoning", "summary": [{"type": "summary_text", "text": piece}]}
                )
            else:
                name = "output_text" if kind == "text" else "refusal"
                part = {"type": name, "text" if kind == "text" else "refusal": piece, "annotations": []}
                items.append({"id": "m", "type": "message", "role": "assistant", "content": [part]})
        return response(**{"output": items} | changes)

    endpoint = Endpoint(lambda *_: response_events(*pieces, end=whole()) if streaming else as_json(whole()))
    (outcome,) = asked(
        spec(endpoint, api="responses", stream=streaming, max_tokens=9, reasoning_effort="low")
    )
    ((_, body),) = endpoint.seen
    assert (body["input"], body["max_output_tokens"], body["reasoning"]) == (
        "make it fast",
        9,
        {"effort": "low"},
    )
    stored = outcome.stored
    assert (stored.reply.text, stored.reply.finish_reason) == (text, finish)
    assert {name: stored.extra[name] for name in ("reasoning", "refusal") if name in stored.extra} == extra
    assert stored.reply.usage["input_tokens_details"]["cached_tokens"] == 4
    assert (outcome.truncated, outcome.refused) == (finish == "length", "refusal" in extra)


@pytest.mark.parametrize(
    "broken",
    [
        lambda: response_events(("text", "half"), end=None),
        lambda: response_events(
            ("text", "half"), end=response(status="failed", error={"code": "server_error", "message": "oops"})
        ),
        lambda: events(
            event({"type": "response.output_text.delta", "delta": "half"}) + event({"type": "error"})
        ),
        lambda: stream("half"),
    ],
    ids=["no end", "failed", "error", "another protocol"],
)
def test_broken_response_is_tried_again(asked, broken):
    endpoint = Endpoint(
        lambda number, _: broken() if number == 0 else response_events(("text", "whole"), end=response())
    )
    (outcome,) = asked(spec(endpoint, api="responses"))
    assert (outcome.kind, outcome.stored.reply.text, outcome.stored.tries) == ("received", "whole", 2)


def test_refusal_is_a_reply(asked):
    endpoint = Endpoint(lambda *_: completion(None, refusal="I will not"))
    (outcome,) = asked(spec(endpoint, stream=False))
    assert (outcome.kind, outcome.refused, outcome.stored.extra["refusal"]) == (
        "received",
        True,
        "I will not",
    )


@pytest.mark.parametrize("streaming", [True, False])
def test_several_replies_in_one_call_are_paid_for_once(asked, store, streaming):
    def answer(number, request):
        n = request.get_json().get("n", 1)
        if not streaming:
            return as_json(several([f"{number}.{index}" for index in range(n)]))
        frame = "".join(
            event(
                {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
                | {"choices": [{"index": index, "delta": {"content": piece}, "finish_reason": finish}]}
            )
            for piece, finish in (("re", None), ("ply", "stop"))
            for index in range(n)
        )
        return events(frame + chunk(usage=USAGE) + event("[DONE]"))

    endpoint = Endpoint(answer)
    purse = Purse()
    found = asked(
        spec(endpoint, n=4, stream=streaming, price={"input": 1e6, "output": 1e6}), samples=6, purse=purse
    )
    assert kinds(found) == ["received"] * 6
    assert sorted(body.get("n", 1) for _, body in endpoint.seen) == [2, 4]
    if not streaming:
        assert len(set(texts(found))) == 6
    assert sum(outcome.stored.cost for outcome in found) == purse.spent.cost == 36
    assert purse.spent.calls == 2
    assert kinds(asked(spec(endpoint, n=3, stream=streaming), samples=6)) == ["kept"] * 6


@pytest.mark.parametrize(
    "one", [lambda _: refusal(400, "n must be 1"), lambda number: as_json(several([f"only {number}"]))]
)
def test_server_that_gives_one_reply_a_call_is_asked_again(asked, one):
    def answer(number, request):
        if request.get_json().get("n", 1) > 1:
            return one(number)
        return as_json(several([f"reply {number}"]))

    endpoint = Endpoint(answer)
    found = asked(spec(endpoint, n=4, stream=False, concurrency=1), samples=4)
    assert kinds(found) == ["received"] * 4
    assert len(set(texts(found))) == 4
    assert sum(body.get("n", 1) > 1 for _, body in endpoint.seen) == 1


def test_choices_that_are_whole_are_kept_when_the_call_breaks(asked, store):
    def answer(number, request):
        n = request.get_json().get("n", 1)
        if number == 0:
            first = chunk({"content": "whole"}) + chunk({}, "stop")
            second = event(
                {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
                | {"choices": [{"index": 1, "delta": {"content": "half"}, "finish_reason": None}]}
            )
            return events(first + second + event("{broken"))
        assert n == 1
        return stream("again")

    endpoint = Endpoint(answer)
    found = asked(spec(endpoint, n=2), samples=2)
    assert (kinds(found), texts(found)) == (["received"] * 2, ["whole", "again"])
    assert [row.reply.text for row in store.replies(state="failed")] == ["half"]
    assert len(endpoint.seen) == 2


def test_several_models_at_several_endpoints(asked):
    first, second = Endpoint(lambda *_: stream("one")), Endpoint(lambda *_: stream("two"))
    found = asked(
        spec(first, name="a"), spec(second, name="b"), spec(second, name="c", temperature=0.5), samples=3
    )
    assert [(o.stored.reply.model, o.stored.reply.text) for o in found] == [
        *[("a", "one")] * 3,
        *[("b", "two")] * 3,
        *[("c", "two")] * 3,
    ]
    assert (len(first.seen), len(second.seen)) == (3, 6)


def test_model_that_is_refused_stops_alone(asked, store):
    good, bad = Endpoint(lambda *_: stream("fine")), Endpoint(lambda *_: refusal(401, "no"))
    with pytest.raises(EnvironmentFailure, match=r"^bad at .*OPENAI_API_KEY"):
        asked(spec(good, name="good"), spec(bad, name="bad", concurrency=1), samples=20)
    assert len([row for row in store.replies() if row.reply.model == "good"]) == 20
    assert len(bad.seen) == 1


def test_models_at_one_endpoint_share_its_limit(asked):
    flying, most, lock = [], [], threading.Lock()

    def answer(number, _):
        with lock:
            flying.append(number)
            most.append(len(flying))
        time.sleep(0.03)
        with lock:
            flying.remove(number)
        return stream("x")

    endpoint = Endpoint(answer)
    asked(spec(endpoint, name="a", concurrency=2), spec(endpoint, name="b", concurrency=6), samples=8)
    assert max(most) == 2


@pytest.mark.parametrize(
    ("budget", "bought"),
    [({"max_calls": 3}, 3), ({"max_tokens": 40}, 3), ({"max_cost": 36.0}, 2), ({"max_calls": 0}, 0)],
)
def test_budget_stops_and_the_next_command_goes_on(asked, store, budget, bought):
    endpoint = Endpoint(lambda number, _: stream(f"reply {number}"))
    paid = spec(endpoint, price={"input": 1e6, "output": 1e6})
    purse = Purse(Budget(**budget))
    found = asked(paid, samples=9, purse=purse)
    assert kinds(found) == ["received"] * bought
    assert (purse.stopped_by, len(endpoint.seen)) == (next(iter(budget)), bought)
    assert list(store.replies(state="pending")) == []
    found = asked(paid, samples=9, purse=Purse())
    assert sorted(kinds(found)) == ["kept"] * bought + ["received"] * (9 - bought)
    assert len(endpoint.seen) == 9


def test_calls_that_are_sent_again_count_too(asked):
    endpoint = Endpoint(lambda *_: refusal(500, "oops"))
    purse = Purse(Budget(max_calls=2))
    (outcome,) = asked(spec(endpoint), purse=purse)
    assert (outcome.kind, len(endpoint.seen), purse.spent.calls) == ("failed", 2, 2)
    assert "budget" in outcome.stored.error


def test_buying_again_on_purpose(asked, store):
    endpoint = Endpoint(lambda number, _: stream(f"reply {number}"))
    one = spec(endpoint, concurrency=1)
    assert texts(asked(one, samples=2)) == ["reply 0", "reply 1"]
    assert texts(asked(one, samples=2, fresh=True)) == ["reply 2", "reply 3"]
    assert texts(asked(one, samples=2)) == ["reply 2", "reply 3"]
    assert texts_of(store, "replaced") == ["reply 0", "reply 1"]


def texts_of(store, state):
    return [row.reply.text for row in store.replies(state=state)]


def test_what_is_there_needs_neither_endpoint_nor_key(asked, monkeypatch):
    endpoint = Endpoint(lambda *_: stream("x"))
    one = spec(endpoint, key_env="OPENAI_API_KEY")
    asked(one, samples=3)
    monkeypatch.delenv("OPENAI_API_KEY")
    endpoint.answer = lambda *_: refusal(401, "no key")
    assert kinds(asked(one, samples=3)) == ["kept"] * 3
    assert len(endpoint.seen) == 3


def test_run_replays_from_its_ledger(asked, store):
    endpoint = Endpoint(lambda number, _: stream(f"reply {number}"))
    asked(spec(endpoint), samples=2)
    asked(spec(endpoint), samples=4)
    last = store.runs()[-1].id
    assert len({row.reply.text for row in store.run_replies(last)}) == 4


def test_caller_has_the_first_reply_while_others_are_in_flight(store):
    release = threading.Event()

    def answer(number, _):
        if number:
            release.wait(10)
        return stream(f"reply {number}")

    endpoint = Endpoint(answer)
    order = Order(spec=spec(endpoint, concurrency=8), prompts=(PROMPT,), samples=tuple(range(8)))
    outcomes = collect_orders([order], store, store.start_run("test"))
    assert next(outcomes).stored.reply.text == "reply 0"
    assert not release.is_set()
    release.set()
    assert len(list(outcomes)) == 7


def test_extra_body_is_sent_and_is_part_of_the_call(asked):
    endpoint = Endpoint(lambda *_: stream("x"))
    asked(spec(endpoint, extra_body={"top_k": 5, "nested": {"a": [1]}}))
    assert {name: endpoint.seen[0][1][name] for name in ("top_k", "nested")} == {
        "top_k": 5,
        "nested": {"a": [1]},
    }
    assert kinds(asked(spec(endpoint, extra_body={"top_k": 6}))) == ["received"]
    assert kinds(asked(spec(endpoint, extra_body={"top_k": 6}))) == ["kept"]


def test_endless_reply_ends(asked):
    def body():
        for number in itertools.count():
            yield chunk({"content": f"{number} "}).encode()
            time.sleep(0.02)

    endpoint = Endpoint(lambda *_: events(body()))
    (outcome,) = asked(spec(endpoint, call_timeout_s=0.3, max_retries=0))
    assert (outcome.kind, outcome.stored.error_kind) == ("failed", "timeout")
    assert outcome.stored.reply.text.startswith("0 1 2")
