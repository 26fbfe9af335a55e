"""`run` with 500 requests in flight: the first reply is judged meanwhile, and memory stays small."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from harness.store import Store

pytestmark = pytest.mark.slow
IN_FLIGHT = 500
SAMPLES = IN_FLIGHT + 1
LIMIT_MB = 300
PATIENCE_S = 600
RUN = """
problems = ["cumsum_exclusive"]
stages = ["final_micro_tuning"]
gpus = ["4090"]
samples = {samples}
[[models]]
name = "any"
base_url = "{url}"
concurrency = {in_flight}
[judge]
device = "cpu"
"""
MEASURED = """
import sys
from pathlib import Path
from harness.cli import main
try:
    main()
finally:
    words = Path("/proc/self/status").read_text().split()
    sys.stderr.write(f"peak {int(words[words.index('VmHWM:') + 1]) // 1024}")
"""
"""Says what the command's own process held at most; `getrusage` would begin with its parent's."""


@pytest.fixture
def url():
    text = "\n\n" + Path("tests/replies/a_1.md").read_text(encoding="utf-8")
    command = [sys.executable, "examples/misbehaving_server.py", "--hold", "1", "--text", text]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield server.stdout.readline().strip()
        finally:
            server.kill()


def ask(url, path):
    with urllib.request.urlopen(url.removesuffix("v1") + path) as answer:
        return json.load(answer)


def wait_for(condition, process):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.1)


def judges_of(process):
    """Return the judges among the children of a process."""
    children = Path(f"/proc/{process.pid}/task").glob("*/children")
    pids = [pid for path in children for pid in path.read_text().split()]
    return [pid for pid in pids if b"eval.judge" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def verdicts(folder):
    with Store(folder / "kernel-harness.db", read_only=True) as store:
        return [attempt.verdict for attempt in store.attempts()]


def test_the_judge_begins_with_the_first_reply_while_five_hundred_are_in_flight(
    url, tmp_path, record_property
):
    pytest.importorskip("triton", reason="needs the extra `eval`")
    (tmp_path / "run.toml").write_text(RUN.format(samples=SAMPLES, in_flight=IN_FLIGHT, url=url))
    command = [sys.executable, "-c", MEASURED, "run", "run.toml"]
    environment = os.environ | {"OPENAI_API_KEY": "none", "PYTHONPATH": str(Path.cwd())}
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            wait_for(lambda: ask(url, "counts").get("requests", 0) == SAMPLES, process)
            wait_for(lambda: judges_of(process), process)
            wait_for(lambda: verdicts(tmp_path), process)
            # All others are still held: only the first reply can have been judged.
            counts = ask(url, "counts")
            assert (counts["in_flight"], counts["whole"]) == (IN_FLIGHT, 1)
            ask(url, "release")
            _, err = process.communicate(timeout=PATIENCE_S)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
    assert process.returncode == 0, err
    with Store(tmp_path / "kernel-harness.db", read_only=True) as store:
        attempts = list(store.attempts())
        assert len({attempt.reply.sample for attempt in attempts}) == SAMPLES
        assert {attempt.verdict.status for attempt in attempts} == {"passed"}
    peak_mb = int(err.rsplit("peak ", 1)[1])
    record_property("peak_mb", peak_mb)
    assert peak_mb < LIMIT_MB
