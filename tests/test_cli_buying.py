"""The options of `collect` that limit, estimate, import, submit and replay, run as a user runs them."""

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from misbehaving import Endpoint, refusal, stream

from harness.store import Store

KEY = "sk-secret-0123456789abcdef"
HARNESS = (sys.executable, "-c", "from harness.cli import main; main()")
PROMPT = ("cumsum_exclusive", "--stage", "final_micro_tuning", "--gpu", "4090")


@pytest.fixture
def harness(tmp_path):
    def run(*arguments, key=KEY, **variables):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
        environment |= ({"OPENAI_API_KEY": key} if key else {}) | variables
        command = [*HARNESS, *map(str, arguments), "--store", str(tmp_path / "s.db")]
        done = subprocess.run(
            command, check=False, env=environment, capture_output=True, text=True, timeout=120
        )
        return done.returncode, done.stdout, done.stderr

    return run


def lines(out):
    return [json.loads(line) for line in out.splitlines()]


def test_dry_run_asks_nobody_and_writes_nothing(harness, tmp_path):
    endpoint = Endpoint(lambda *_: stream("x"))
    command = ("collect", *PROMPT, "--model", "m", "--base-url", endpoint.url, "--samples", 10, "--dry-run")
    code, out, err = harness(*command, "--price", "2,8", key=None)
    assert code == 0, err
    for word in ("calls:                 10", "input tokens", "price:", "minutes of judging"):
        assert word in out
    (found,) = lines(harness(*command, "--json")[1])
    assert (found["calls"], found["replies"], found["cost"]) == (10, 10, None)
    assert endpoint.seen == []
    assert not (tmp_path / "s.db").exists()


@pytest.mark.parametrize(
    ("option", "value", "bought"), [("--max-calls", 2, 2), ("--max-tokens", 20, 2), ("--max-cost", 36, 2)]
)
def test_budget_ends_cleanly(harness, option, value, bought):
    endpoint = Endpoint(lambda *_: stream("x"))
    command = ("collect", *PROMPT, "--model", "m", "--base-url", endpoint.url, "--samples", 9)
    code, out, err = harness(*command, "--price", "1e6,1e6", option, value)
    assert (code, f"{bought} of 9 replies" in out) == (0, True), err
    assert f"stopped by {option}" in err
    assert len(endpoint.seen) == bought


def test_models_of_a_file(harness, tmp_path):
    first, second = Endpoint(lambda *_: stream("one")), Endpoint(lambda *_: refusal(401, "no"))
    (tmp_path / "run.toml").write_text(
        f'[[models]]\nname = "good"\nbase_url = "{first.url}"\n'
        f'[[models]]\nname = "bad"\nbase_url = "{second.url}"\n[budget]\nmax_calls = 50\n'
    )
    code, out, err = harness("collect", *PROMPT, "--config", tmp_path / "run.toml", "--samples", 2, "--json")
    assert code == 4
    assert "bad, sample" in err
    assert [line["model"] for line in lines(out) if line["state"] == "received"] == ["good", "good"]
    assert [line for line in err.splitlines() if line.startswith("error: bad at ")]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--model", "m", "--max-cost", "3"), 2, "add --price"),
        (("--model", "m", "--price", "three"), 2, "INPUT,OUTPUT"),
        (("--model", "m", "--config", "run.toml"), 2, "--config"),
        (("--config", "absent.toml"), 2, "absent.toml"),
        (("--model", "m", "--max-calls", "-1"), 2, "max_calls"),
        (("--import", "absent.jsonl"), 2, "no such file"),
        (("--import", "README.md", "--map", "a"), 2, "OTHER=OURS"),
        (("--replay", "no-such-run"), 2, "there is no store"),
    ],
)
def test_wrong_arguments(harness, arguments, code, said):
    found, _, err = harness("collect", *PROMPT, *arguments)
    assert (found, said in err, "Traceback" in err) == (code, True, False), err


def test_prompt_has_to_be_named(harness):
    for given, said in (((), "PROBLEM"), (PROMPT[:1], "--stage"), (PROMPT[:3], "--gpu")):
        code, _, err = harness("collect", *given, "--model", "m")
        assert (code, said in err) == (2, True), err


def test_batch_file_goes_out_and_its_output_comes_back(harness, tmp_path):
    batch, output = tmp_path / "batch.jsonl", tmp_path / "output.jsonl"
    command = ("collect", *PROMPT, "--model", "m", "--base-url", "http://127.0.0.1:1/v1", "--samples", 2)
    code, out, err = harness(*command, "--batch-file", batch, key=None)
    assert (code, "2 requests" in out) == (0, True), err
    code, out, err = harness(*command)
    assert (code, "in a batch file: import its output" in out) == (0, True), err
    body = {"model": "m", "choices": [{"message": {"content": "text"}, "finish_reason": "stop"}]}
    output.write_text(
        "\n".join(
            json.dumps({"custom_id": line["custom_id"], "response": {"status_code": 200, "body": body}})
            for line in lines(batch.read_text())
        )
    )
    code, out, err = harness("collect", "--import", output)
    assert (code, "2 new" in out) == (0, True), err
    code, out, err = harness(*command)
    assert (code, "(0 new, 2 kept)" in out) == (0, True), err


def test_import_replay_and_export(harness, tmp_path):
    code, out, err = harness("collect", "cumsum_exclusive", "--import", "tests/replies/a_1.md", "--json")
    assert code == 0, err
    (line,) = lines(out)
    assert (line["state"], line["problem"]) == ("new", "cumsum_exclusive")
    with Store(tmp_path / "s.db") as store:
        (run,) = store.runs()
    (again,) = lines(harness("collect", "--replay", run.id, "--json", key=None)[1])
    assert (again["reply"], again["state"]) == (line["reply"], "kept")
    code, out, err = harness("collect", "--import", "tests/replies/a_1.md")
    assert (code, "no reply was imported" in err) == (2, True)
    assert harness("export")[:2] == (0, "")


def test_same_command_without_key_and_network_gives_what_is_there(harness):
    endpoint = Endpoint(lambda number, _: stream(f"reply {number}"))
    command = ("collect", *PROMPT, "--model", "m", "--base-url", endpoint.url, "--key-env", "OPENAI_API_KEY")
    assert harness(*command)[0] == 0
    endpoint.answer = lambda *_: refusal(500, "down")
    code, out, err = harness(*command, key=None)
    assert (code, "(0 new, 1 kept)" in out) == (0, True), err
    code, out, err = harness(*command, "--fresh", "--max-retries", 0)
    assert (code, "(0 new, 0 kept, 1 failed)" in out) == (4, True), err


SECRET_TEXT = f"the key is {KEY}, and Bearer {KEY}"
CANDIDATE = (
    "```python\nimport torch\nimport torch.nn as nn\nimport triton\nimport triton.language as tl\n"
    "import os\nprint(dict(os.environ), open('/proc/self/environ').read())\nclass ModelNew(nn.Module):\n"
    "    def forward(self, x):\n        raise RuntimeError(str(dict(os.environ)))\n```"
)


def test_key_reaches_nothing_that_is_kept_or_shown(harness, tmp_path):
    """The endpoint sends the key back wherever it can, and the candidate looks for it."""
    pytest.importorskip("triton", reason="needs the extra `eval`")

    def answer(number, request):
        if number == 0:
            return refusal(500, SECRET_TEXT, **{"X-Request-Id": KEY})
        if number == 1:
            return refusal(400, SECRET_TEXT, KEY)
        reply = stream(f"{SECRET_TEXT}\n{CANDIDATE}", KEY)
        reply.headers["x-request-id"] = KEY
        return reply

    endpoint = Endpoint(answer)
    url = endpoint.url.replace("//", f"//user:{KEY}@")
    folder = tmp_path / "replies"
    folder.mkdir()
    command = ("collect", *PROMPT, "--model", "m", f"--base-url={url}", "--max-retries", 0, "--json")
    shown = []
    for options in ({}, {}, {}, {"OPENAI_LOG": "debug"}):
        shown += harness(*command, *(["--fresh"] if options else []), **options)
    with Store(tmp_path / "s.db") as store:
        texts = [row.reply.text for row in store.replies()]
        states = {
            row.state for state in ("failed", "received", "replaced") for row in store.replies(state=state)
        }
    assert states == {"failed", "received", "replaced"}
    (folder / "a.md").write_text(texts[0])
    judged = harness(
        "eval", folder, "--problem", "cumsum_exclusive", "--device", "cpu", "--rules", "off", "--json"
    )
    with Store(tmp_path / "s.db") as store:
        (attempt,) = store.attempts()
    assert "LOGNAME" in attempt.verdict.output
    shown += judged
    shown += harness("leaderboard", "--json")
    shown += harness("report", "--output", tmp_path / "report.html")
    shown += harness("export", "--output", tmp_path / "all.jsonl")
    shown += harness("runs", "--json")
    assert not [text for text in shown if KEY in str(text)]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"s.db", "report.html", "all.jsonl"} <= {path.name for path in files}
    assert not [path for path in files if KEY.encode() in path.read_bytes()]


FAIL_INSIDE = """
import os, sys
from harness.llm import ModelSpec, collect
from harness.records import Prompt
from harness.store import Store
with Store(sys.argv[1]) as store:
    prompt = Prompt(hash="p", text="t", problem="p", stage="s", gpu="g")
    spec = ModelSpec(model="m", base_url=sys.argv[2])
    for outcome in collect([prompt], spec, range(3), store, "no such run"):
        pass
"""


def test_key_is_not_in_a_traceback(tmp_path):
    endpoint = Endpoint(lambda *_: stream("x"))
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", FAIL_INSIDE, str(tmp_path / "s.db"), endpoint.url],
        check=False,
        env=os.environ | {"OPENAI_API_KEY": KEY},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, "Traceback" in done.stderr, KEY in done.stderr) == (1, True, False)


MANY_IN_FLIGHT = """
import sys
from contextlib import closing
from pathlib import Path
from harness.llm import ModelSpec, collect
from harness.records import Prompt
from harness.store import Store
url, path = sys.argv[1:]
prompt = Prompt(hash="p", text="make it fast " * 100, problem="p", stage="s", gpu="g")
with Store(path) as store:
    outcomes = collect([prompt], ModelSpec(model="m", base_url=url, concurrency=500), range(600), store,
                       store.start_run("t"))
    first = next(outcomes)
    print(first.kind, sum(outcome.kind == "received" for outcome in outcomes) + 1)
# Not getrusage: what it says begins with the memory of the process that started this one.
status = Path("/proc/self/status").read_text().split()
print(int(status[status.index("VmHWM:") + 1]) // 1024)
"""


def test_five_hundred_in_flight_stay_small(tmp_path):
    command = [sys.executable, "examples/misbehaving_server.py", "--delay", "2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        url = server.stdout.readline().strip()
        done = subprocess.run(
            [sys.executable, "-c", MANY_IN_FLIGHT, url, str(tmp_path / "s.db")],
            check=True,
            capture_output=True,
            text=True,
        )
        with urllib.request.urlopen(url.removesuffix("/v1") + "/counts") as answer:
            counts = json.load(answer)
        server.kill()
    received, megabytes = done.stdout.split("\n")[:2]
    assert (received, int(megabytes) < 300) == ("received 600", True)
    assert counts["most_in_flight"] > 250
    assert Path(tmp_path / "s.db").stat().st_size > 0
