"""`inspect eval` itself on the loopback replay server: the log that `inspect view` shows has the verdict."""

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
from judge_work import problem_folder
from served_judge import REPLIES, TOKEN, serving

pytest.importorskip("inspect_ai", reason="needs the extra `inspect`")
pytest.importorskip("uvicorn", reason="needs the extra `serve`")

from inspect_ai.log import list_eval_logs, read_eval_log

from harness.llm import ReplayServer

pytestmark = pytest.mark.filterwarnings("default")  # of inspect_ai and its like among themselves
ROOT = Path(__file__).resolve().parent.parent
TASK = ROOT / "harness" / "adapters" / "inspect_task.py"
CALL = "import sys; sys.argv[0] = 'inspect'; from inspect_ai._cli.main import main; main()"


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inspect")
    problem_folder(folder / "affine")
    with serving(folder) as made:
        yield made, folder


def logged(place, names, **arguments):
    """Run `inspect eval` over recorded replies and return its log."""
    folder, out = place / "replies", place / "logs"
    folder.mkdir()
    for number, name in enumerate(names):
        (folder / f"{number}.md").write_text(REPLIES[name][0])
    with ReplayServer(folder) as server:
        words = [f"-T{name}={value}" for name, value in arguments.items()]
        paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        done = subprocess.run(
            [sys.executable, "-c", CALL, "eval", f"{TASK}@kernels", "--model", "openai-api/replay/recorded",
             "--model-base-url", server.url, "--log-dir", str(out), "--display", "plain", "-Tproblems=affine",
             *words],
            cwd=place, text=True, capture_output=True, check=False, timeout=300,
            env=os.environ | {"PYTHONPATH": paths, "REPLAY_API_KEY": "none", "KERNEL_HARNESS_TOKEN": TOKEN},
        )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = list_eval_logs(str(out))
    log = read_eval_log(found)
    assert log.status == "success", log.error
    return log


def test_from_inspect_eval_to_a_verdict_in_its_log(url, tmp_path):
    judge, folder = url
    log = logged(tmp_path, ["wrong", "honest"], judge=judge, folder=folder / "affine", turns=3)
    (sample,) = log.samples
    assert sample.id == "affine/seed/h100"
    assert [message.role for message in sample.messages] == ["user", "assistant", "user", "assistant"]
    assert "incorrect (values)" in sample.messages[2].text
    (score,) = sample.scores.values()
    assert score.value == {"passed": 1.0, "reward": 0.3}
    assert (score.metadata["verdict"]["status"], score.metadata["verdict"]["device"]) == ("passed", "cpu")
    metrics = {score.name: score.metrics["mean"].value for score in log.results.scores}
    assert metrics == {"passed": 1.0, "reward": 0.3}


def test_our_own_failure_is_not_scored(url, tmp_path):
    _, folder = url
    log = logged(tmp_path, ["honest"], judge="http://127.0.0.1:9/", folder=folder / "affine", timeout_s=0.5)
    (score,) = log.samples[0].scores.values()
    assert math.isnan(score.value)
    assert "cannot be reached" in score.explanation
