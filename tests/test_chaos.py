"""A collector that is killed again and again, at an endpoint that fails in every way, loses nothing."""

import json
import os
import random
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager

import pytest

from harness.store import Store

MIX = "too_many=0.03,too_many_after=0.03,error=0.03,reset=0.02,half=0.03,malformed=0.02,stall=0.002,slow=0.02"
HARNESS = (sys.executable, "-c", "from harness.cli import main; main()")
CONFIG = """
[[models]]
name = "any"
base_url = "{url}"
concurrency = 24
timeout_s = 5.0
max_retries = 20
backoff_s = 0.02
"""


@contextmanager
def server(*arguments):
    command = [sys.executable, "examples/misbehaving_server.py", *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def counts(url):
    with urllib.request.urlopen(url.removesuffix("/v1") + "/counts") as answer:
        return json.load(answer)


@pytest.mark.parametrize("samples", [300, pytest.param(2000, marks=pytest.mark.slow)])
def test_five_kills_lose_nothing_and_buy_nothing_twice(tmp_path, samples):
    chance = random.Random(samples)
    path = tmp_path / "s.db"

    def start():
        command = [*HARNESS, "collect", "cumsum_exclusive", "--stage", "final_micro_tuning", "--gpu", "4090"]
        command += ["--config", str(tmp_path / "run.toml"), "--samples", str(samples), "--store", str(path)]
        environment = os.environ | {"OPENAI_API_KEY": "sk-chaos"}
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def kept():
        if not path.exists():
            return {}
        with Store(path) as store:
            return {row.reply.sample: row.reply.text for row in store.replies()}

    with server("--mix", MIX + ",wrong_usage=0.02", "--seed", samples, "--delay", 0.05) as url:
        (tmp_path / "run.toml").write_text(CONFIG.format(url=url))
        before = {}
        for _ in range(5):
            victim = start()
            enough = len(before) + chance.randint(samples // 50, samples // 8)
            while len(kept()) < enough:
                assert victim.poll() is None, victim.communicate()
                time.sleep(0.02)
            time.sleep(chance.uniform(0, 0.05))
            victim.kill()
            victim.communicate()
            now = kept()
            assert now.items() >= before.items()
            before = now
        last = start()
        out, err = last.communicate(timeout=300)
        assert last.returncode == 0, (out, err)
        seen = counts(url)
    after = kept()
    assert after.items() >= before.items()
    assert sorted(after) == list(range(samples))
    assert len({text.split(" ")[0] for text in after.values()}) == samples
    with Store(path) as store:
        in_flight = len(list(store.replies(state="unknown")))
        assert list(store.replies(state="pending")) == []
        assert list(store.replies(state="duplicate")) == []
        assert sum(info.state == "killed" for info in store.runs()) == 5
    assert 0 < in_flight <= 5 * 24
    assert seen["requests"] <= samples + in_flight + seen["failed"]
