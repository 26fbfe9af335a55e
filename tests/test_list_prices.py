"""Published prices: asked for by name, marked wherever they are used, and never guessed."""

import json
import os
import subprocess
import sys

import pytest
from misbehaving import Endpoint, begun, chunk, events

from harness.errors import UsageError
from harness.llm import ModelSpec, Order, Purse, collect_orders
from harness.llm.config import read_purchase
from harness.llm.list_prices import list_price, with_list_price
from harness.records import Prompt
from harness.store import Store

genai_prices = pytest.importorskip("genai_prices", reason="needs genai-prices (the extra `prices`)")
PROMPT = Prompt(hash="p1", text="make it fast", problem="cumsum_exclusive", stage="tuning", gpu="4090")
OPENAI = "https://api.openai.com/v1"
ANTHROPIC = "https://api.anthropic.com/v1"
HARNESS = (sys.executable, "-c", "from harness.cli import main; main()")


@pytest.mark.parametrize(
    ("model", "url"), [("gpt-4.1", OPENAI), ("claude-sonnet-4-5", ANTHROPIC)], ids=["flat", "in tiers"]
)
def test_the_price_of_a_million_is_what_a_short_call_costs(model, url):
    price = list_price(model, url, "price")
    usage = {"input_tokens": 3000, "cache_read_tokens": 1000, "output_tokens": 500}
    asked = genai_prices.calc_price(genai_prices.Usage(**usage), model_ref=model, provider_api_url=url)
    ours = (2000 * price.input + 1000 * price.cached_input + 500 * price.output) / 1e6
    assert ours == pytest.approx(float(asked.total_price))
    assert price.source == f"list price, genai-prices {genai_prices.__version__}"
    assert price.cached_input < price.input < price.output


def test_only_who_asks_for_a_list_price_gets_one():
    for stated in (None, {"input": 1.0, "output": 2.0}):
        fields = {"model": "gpt-4.1", "price": stated}
        assert with_list_price(fields, "price") == fields


@pytest.mark.parametrize(
    ("model", "url"), [("gpt-4.1", "http://127.0.0.1:8000/v1"), ("no such model", OPENAI)]
)
def test_what_nobody_published_has_no_price(model, url):
    with pytest.raises(UsageError, match=r"^run\.toml: no list price is known of .*; give INPUT,OUTPUT"):
        with_list_price({"model": model, "base_url": url, "price": "list"}, "run.toml")


def test_the_address_of_the_environment_is_the_one_that_is_asked(monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://user:secret@127.0.0.1:8000/v1")
    with pytest.raises(UsageError, match=r"at http://127\.0\.0\.1:8000/v1;") as caught:
        with_list_price({"model": "gpt-4.1", "price": "list"}, "price")
    assert "secret" not in str(caught.value)


def test_a_file_may_ask_for_it(tmp_path, monkeypatch):
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    path = tmp_path / "run.toml"
    path.write_text('[[models]]\nname = "mine"\nmodel = "gpt-4.1"\nprice = "list"\n')
    (model,) = read_purchase(path).models
    assert model.price == list_price("gpt-4.1", OPENAI, "price")
    path.write_text('[[models]]\nname = "mine"\nprice = "cheap"\n')
    with pytest.raises(UsageError, match="price"):
        read_purchase(path)


def test_every_cost_made_with_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-0123456789abcdef")
    usage = {"prompt_tokens": 100, "completion_tokens": 50}
    endpoint = Endpoint(lambda *_: events(begun("text") + chunk({}, "stop") + chunk(usage=usage)))
    price = list_price("gpt-4.1", OPENAI, "price")
    specs = [
        ModelSpec(model="listed", base_url=endpoint.url, price=price),
        ModelSpec(model="stated", base_url=endpoint.url, price=price.model_copy(update={"source": None})),
    ]
    orders = [Order(spec=spec, prompts=(PROMPT,), samples=(0,)) for spec in specs]
    with Store(tmp_path / "s.db") as store:
        outcomes = collect_orders(orders, store, store.start_run("test"), purse=Purse())
        rows = {outcome.stored.reply.model: outcome.stored for outcome in outcomes}
    assert rows["listed"].cost == rows["stated"].cost > 0
    assert rows["listed"].extra["price_source"] == price.source
    assert "price_source" not in rows["stated"].extra


def harness(folder, *words):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
    command = [*HARNESS, "collect", "cumsum_exclusive", "--stage", "seed", "--gpu", "4090", *words]
    command += ["--store", str(folder / "s.db")]
    done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout, done.stderr


def test_a_dry_run_says_whose_prices_it_takes(tmp_path):
    words = ("--model", "gpt-4.1", "--price", "list", "--dry-run")
    code, out, err = harness(tmp_path, *words)
    assert (code, "(list price, genai-prices " in out) == (0, True), err
    (found,) = map(json.loads, harness(tmp_path, *words, "--json")[1].splitlines())
    assert found["cost"][0] > 0
    assert found["price_sources"] == [list_price("gpt-4.1", OPENAI, "price").source]
    assert "price_sources" in json.loads(harness(tmp_path, *words[:2], "--dry-run", "--json")[1])


def test_a_model_of_ones_own_has_no_list_price(tmp_path):
    words = ("--model", "m", "--base-url", "http://127.0.0.1:1/v1", "--price", "list", "--dry-run")
    code, out, err = harness(tmp_path, *words)
    assert (code, out, "error: --price list: no list price is known of m" in err) == (2, "", True), err
