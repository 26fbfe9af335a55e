"""Models and budgets from a TOML file, what an order would take, and batch files."""

import json
from pathlib import Path

import pytest

from eval.records import Passed
from harness.errors import UsageError
from harness.inputs import Labels, import_replies, read_found
from harness.llm import ModelSpec, Order
from harness.llm.batch import batch_lines
from harness.llm.config import read_purchase
from harness.llm.estimate import estimate
from harness.records import Prompt, Reply
from harness.store import Answer, JudgeKey, Store

PROMPT = Prompt(hash="p1", text="x" * 300, problem="cumsum_exclusive", stage="tuning", gpu="4090")
MODELS = """
problems = ["cumsum_exclusive"]
[[models]]
name = "big"
base_url = "https://api.example.com/v1"
key_env = "EXAMPLE_KEY"
api = "responses"
temperature = 0.7
reasoning_effort = "high"
extra_body = { verbosity = "low" }
price = { input = 2.5, output = 10.0, cached_input = 1.25 }
requests_per_minute = 60
[[models]]
name = "small, at home"
model = "small"
n = 4
[budget]
max_cost = 5
max_calls = 100
"""


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "s.db") as opened:
        yield opened


@pytest.fixture
def run(store):
    return store.start_run("test")


def order(samples=3, **changes):
    spec = ModelSpec(**{"model": "m", "base_url": "http://localhost:1/v1"} | changes)
    return Order(spec=spec, prompts=(PROMPT,), samples=tuple(range(samples)))


def written(tmp_path, text):
    path = tmp_path / "run.toml"
    path.write_text(text)
    return path


def test_models_and_budget_of_a_run(tmp_path):
    found = read_purchase(written(tmp_path, MODELS))
    big, small = found.models
    assert (big.shown, big.model, big.api, big.price.cached_input) == ("big", "big", "responses", 1.25)
    assert big.parameters == {
        "temperature": 0.7,
        "reasoning_effort": "high",
        "extra_body": {"verbosity": "low"},
    }
    assert (small.shown, small.model, small.n) == ("small, at home", "small", 4)
    assert found.budget.model_dump() == {"max_cost": 5.0, "max_tokens": None, "max_calls": 100}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "names no model"),
        ("models = 3", "names no model"),
        ("[[models]]", "model"),
        ('[[models]]\nname = "a"\n[[models]]\nname = "a"', "two models are called 'a'"),
        ('[[models]]\nname = "a"\ntemprature = 1', "temperature"),
        ('[[models]]\nname = "a"\nkey = "sk-1"', "unknown key 'key'"),
        ('[[models]]\nname = "a"\nkey_env = "sk-secret"', "not the key itself"),
        ('[[models]]\nname = "a"\nextra_body = { n = 3 }', "the collector sets it itself"),
        ('[[models]]\nname = "a"\nprice = { input = -1, output = 2 }', "price.input"),
        ('[[models]]\nname = "a"\napi = "soap"', "api"),
        ('[[models]]\nname = "replay:x"\napi = "responses"', "leave api away"),
        ('[[models]]\nname = "a"\n[budget]\nmax_money = 1', "max_money"),
        ('budget = 3\n[[models]]\nname = "a"', "make it a table"),
    ],
)
def test_wrong_file(tmp_path, text, said):
    with pytest.raises(UsageError) as caught:
        read_purchase(written(tmp_path, text))
    assert said in str(caught.value)
    assert "sk-" not in str(caught.value)


def test_estimate_without_a_store():
    found = estimate([order(samples=4, max_tokens=2000, price={"input": 1.0, "output": 1.0})], None)
    assert (found.replies, found.calls, found.kept) == (4, 4, 0)
    assert (found.input_tokens, found.output_tokens) == ((300, 400), (2000, 8000))
    assert found.cost == pytest.approx((2300e-6, 8400e-6))
    assert found.judge_minutes == 1.3


def test_estimate_knows_what_is_there_and_what_came_before(store, run):
    wanted = order(samples=20, n=4)
    store.save_prompt(PROMPT)
    for sample in range(10):
        claim = store.claim(run, wanted.spec.key("p1", sample), PROMPT, "here")
        usage = {"prompt_tokens": 100, "completion_tokens": 100 * (sample + 1)}
        store.keep_answer(claim.reply_id, Answer(text="x", usage=usage))
    reply = store.save_reply(run, Reply(model="local", sample=0, text="x", problem="cumsum_exclusive"))
    key = JudgeKey(candidate_hash="c", problem="cumsum_exclusive", problem_hash="p", evaluator="1")
    store.save_attempt(run, reply, key, candidate=None, verdict=Passed(seconds=60.0))
    found = estimate([wanted], store)
    assert (found.kept, found.replies, found.calls) == (10, 10, 3)
    assert found.output_tokens == (2000, 9000)
    assert (found.cost, found.judge_minutes) == (None, 10.0)
    assert estimate([wanted], store, fresh=True).replies == 20


def output(line, text, status=200, model="m-2026"):
    """What a Batch endpoint answers to one line of a batch file."""
    request = json.loads(line)
    if request["url"] == "/v1/responses":
        part = {"type": "output_text", "text": text}
        body = {"output": [{"type": "message", "content": [part]}], "status": "completed"}
    else:
        body = {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}
    usage = {"prompt_tokens": 1, "completion_tokens": 2}
    body |= {"id": "c", "model": model, "usage": usage}
    if status != 200:
        body = {"error": {"message": "too long"}}
    response = {"status_code": status, "body": body}
    return json.dumps({"custom_id": request["custom_id"], "error": None, "response": response})


def imported(path, store, run, **labels):
    return [each.state for each in import_replies(read_found([path]), Labels(**labels), store, run)]


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_batch_goes_out_and_comes_back_to_its_place(store, run, tmp_path, api):
    wanted = order(samples=4, api=api, max_tokens=50)
    lines = list(batch_lines([wanted], store, run))
    bodies = [json.loads(line)["body"] for line in lines]
    said = {"messages": [{"role": "user", "content": PROMPT.text}], "max_tokens": 50}
    assert bodies[0] == {"model": "m"} | (
        said if api == "chat" else {"input": PROMPT.text, "max_output_tokens": 50}
    )
    assert list(batch_lines([wanted], store, run)) == lines
    assert store.claim(run, wanted.spec.key("p1", 0), PROMPT, "here").state == "submitted"
    answers = [output(lines[3], "three"), output(lines[0], "zero"), output(lines[1], "", status=400)]
    path = tmp_path / "output.jsonl"
    path.write_text("\n".join(answers))
    assert imported(path, store, run) == ["new", "new", "failed"]
    assert {row.reply.sample: row.reply.text for row in store.replies()} == {3: "three", 0: "zero"}
    assert [row.reply.usage["completion_tokens"] for row in store.replies()] == [2, 2]
    assert imported(path, store, run) == ["kept", "kept", "failed"]
    again = [json.loads(line)["custom_id"] for line in batch_lines([wanted], store, run)]
    assert again == [json.loads(lines[number])["custom_id"] for number in (1, 2)]


def test_recorded_replies_need_no_batch(store, run):
    with pytest.raises(UsageError, match="recorded replies"):
        list(batch_lines([order(model="replay:tests/replies")], store, run))


def test_replies_of_other_tools(store, run, tmp_path):
    path = tmp_path / "other.jsonl"
    lines = [
        {"task_id": "theirs", "completion": "one", "model_name": "x", "sample_id": 0},
        {"task_id": "theirs", "completion": "one", "model_name": "x", "sample_id": 1},
        {"task_id": "unknown", "completion": "lost", "model_name": "x"},
        {"response": "unnumbered"},
        {"response": "unnumbered"},
        {"custom_id": "a-1", "response": {"body": {"choices": [{"message": {"content": "batch"}}]}}},
    ]
    path.write_text("\n".join(map(json.dumps, lines)))
    labels = {"problem": "cumsum_exclusive", "stage": "tuning", "renames": {"theirs": "cumsum_exclusive"}}
    assert imported(path, store, run, **labels) == ["new", "new", "skipped", "new", "new", "new"]
    rows = [(row.reply.model, row.reply.problem, row.reply.stage, row.reply.text) for row in store.replies()]
    assert rows == [
        *[("x", "cumsum_exclusive", "tuning", "one")] * 2,
        *[("local", "cumsum_exclusive", "tuning", "unnumbered")] * 2,
        ("local", "cumsum_exclusive", "tuning", "batch"),
    ]
    moved = path.rename(tmp_path / "moved.jsonl")
    moved.write_text("\n".join(map(json.dumps, [*reversed(lines), {"response": "unnumbered"}])))
    assert imported(moved, store, run, **labels) == ["kept", "kept", "kept", "skipped", "kept", "kept", "new"]


def test_kernelbench_run(store, run, tmp_path):
    folder = tmp_path / "gpt-x"
    folder.mkdir()
    for name in ("level_1_problem_92_sample_0", "level_1_problem_92_sample_7", "level_2_problem_3_sample_0"):
        Path(folder / f"{name}_kernel.py").write_text(f"# {name}")
    renames = {"level_1_problem_92": "cumsum_exclusive"}
    assert imported(folder, store, run, renames=renames) == ["new", "new", "skipped"]
    assert [(row.reply.model, row.reply.sample, row.reply.is_code) for row in store.replies()] == [
        ("gpt-x", 0, True),
        ("gpt-x", 7, True),
    ]
    assert imported(folder, store, run, renames=renames) == ["kept", "kept", "skipped"]


def test_reply_of_a_problem_that_nobody_names(store, run, tmp_path):
    path = tmp_path / "other.jsonl"
    path.write_text(json.dumps({"reply": "text"}))
    assert imported(path, store, run) == ["skipped"]
