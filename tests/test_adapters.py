"""Judges in this process and at a URL: the same rewards, bounded waiting, and what cannot be asked."""

import socket
import threading

import pytest
from judge_work import HONEST, LIMITS, candidate, problem_folder
from served_judge import FENCED, REPLIES, TOKEN, serving

from harness.adapters import Library, LocalJudges, Question, RemoteJudges
from harness.adapters.frameworks import require
from harness.adapters.rewards import Scorer
from harness.adapters.trl_reward import trl_reward
from harness.adapters.verl_reward import compute_score, compute_scores
from harness.errors import EnvironmentFailure, UsageError
from harness.reward import RewardSettings

for needed in ("starlette", "uvicorn", "triton"):
    pytest.importorskip(needed, reason="needs the extras `eval` and `serve`")

ENDLESS = candidate("while True: pass")
TEXTS = [text for text, _, _ in REPLIES.values()]
EXPECTED = [(kind, value) for _, kind, value in REPLIES.values()]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("adapters")
    problem_folder(folder / "affine")
    return folder


@pytest.fixture(scope="module")
def local(place):
    with LocalJudges(Library([place / "affine"]), device="cpu", limits=LIMITS) as judges:
        yield judges


@pytest.fixture(scope="module")
def url(place):
    with serving(place, "--waiting", "1") as made:
        yield made


@pytest.fixture(scope="module")
def remote(url):
    with RemoteJudges(url, TOKEN) as judges:
        yield judges


def rewarded(judges, texts):
    worth = Scorer(judges, problem="affine").score(texts, [{}] * len(texts))
    return [(one.kind, one.value) for one in worth]


def test_the_numbers_are_the_same_here_and_over_http(local, remote):
    """The server's queue holds two jobs, so that some of the four are turned away first."""
    assert rewarded(local, TEXTS) == EXPECTED
    assert rewarded(remote, TEXTS) == EXPECTED


@pytest.mark.parametrize("kind", ["local", "remote"])
def test_what_cannot_be_asked_is_said_at_once(kind, request):
    judges = request.getfixturevalue(kind)
    for wrong, words in (
        ({"problem": "afine"}, "unknown problem"),
        ({"problem": "affine", "stage": "none"}, "unknown stage"),
        ({"problem": "affine", "size": "huge"}, "unknown size"),
    ):
        with pytest.raises(UsageError, match=words):
            judges.ask([Question(code=HONEST, **wrong)], 60)
    huge = "word " * 2_000_000
    (outcome,) = judges.ask([Question(problem="affine", reply=huge)], 60)
    assert (outcome.verdict.status, outcome.verdict.phase) == ("failed", "extract")


def test_an_endless_candidate_does_not_stall_who_asks(place):
    with LocalJudges(Library([place / "affine"]), device="cpu", limits=LIMITS) as judges:
        both = [Question(problem="affine", code=code, rules="off") for code in (ENDLESS, HONEST)]
        first, second = judges.ask(both, 3.0)
        assert (first.verdict, second.verdict) == (None, None)
        assert "in time" in first.error
        worth = Scorer(judges, problem="affine", timeout_s=0.0).score([FENCED.format(ENDLESS)], [{}])
        assert [(one.value, one.kind) for one in worth] == [(None, "masked")]
        assert worth[0].why


@pytest.fixture
def mute():
    """A server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"


def test_a_server_that_is_mute_or_gone_gives_masked_rewards(mute):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        gone = f"http://127.0.0.1:{closed.getsockname()[1]}/"
    for url in (mute, gone):
        function = trl_reward(RemoteJudges(url, TOKEN), timeout_s=1.0, problem="affine")
        assert function(["p"] * 2, [FENCED.format(HONEST), "prose"]) == [None, 0.0]


def test_a_server_that_lets_us_not_in_is_said(url):
    with pytest.raises(EnvironmentFailure, match="does not let us in"):
        RemoteJudges(url, "wrong").ask([Question(problem="affine", code=HONEST)], 60)
    with pytest.raises(UsageError, match="no URL"):
        RemoteJudges("file:///etc/passwd")


def test_another_service_is_not_taken_for_a_judge():
    def answer(listener):
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, args=(listener,))
        thread.start()
        judges = RemoteJudges(f"http://127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(EnvironmentFailure, match="does not answer as"):
            judges.ask([Question(problem="affine", code=HONEST)], 60)
        thread.join()


def test_trl_columns_and_conversations(remote):
    talk = [{"role": "assistant", "content": "Let me think."}, {"role": "tool", "content": "x"},
            {"role": "assistant", "content": TEXTS[0]}]  # fmt: skip
    seen = {}
    function = trl_reward(remote, RewardSettings(correct=0.5))
    columns = {"problem": ["affine"] * 2, "other": [1, 2], "log_extra": seen.__setitem__}
    assert function(
        prompts=["p"] * 2, completions=[talk, [{"role": "assistant", "content": None}]], **columns
    ) == [0.5, 0.0]
    assert seen == {"kernel_harness_kind": ["passed", "failed"]}
    assert function.__name__ == "kernel_harness"
    with pytest.raises(UsageError, match="no column"):
        trl_reward(remote, problems="affine")
    with pytest.raises(UsageError, match="names no problem"):
        function(prompts=["p"], completions=["text"])


def test_verl_scores_and_what_is_masked(url, mute, monkeypatch):
    monkeypatch.setenv("KERNEL_HARNESS_TOKEN", TOKEN)
    one = compute_score("kernel-harness", TEXTS[0], "affine", {"stage": None}, judge=url)
    assert (one["score"], one["masked"], one["kind"]) == (0.3, 0.0, "passed")
    truth = [{"problem": "affine"}] * 3
    extras = [{"index": 1}, {"index": 1}, {"index": 2}]
    texts = [TEXTS[0], TEXTS[3], TEXTS[2]]
    scores = compute_scores(["d"] * 3, texts, truth, extras, judge=url, settings={"cheating": -0.5})
    assert [one["score"] for one in scores] == [0.3, 0.0, -0.5]
    # Of a group of two one gets no verdict, and stands where the other stands.
    texts = [TEXTS[3], TEXTS[0]]
    scores = compute_scores(["d"] * 2, texts, truth[:2], extras[:2], judge=mute, timeout_s=1.0)
    assert [(one["score"], one["masked"]) for one in scores] == [(0.0, 0.0), (0.0, 1.0)]
    alone = compute_score("d", TEXTS[0], "affine", {}, judge=mute, timeout_s=0.5)
    assert alone["masked"] == 1.0
    assert -0.5 < alone["score"] < 0.3


@pytest.mark.parametrize(
    ("package", "least", "below", "words"),
    [
        ("no-such-framework", "1.0", None, r"no-such-framework is not installed: pip install .*\[x\]"),
        ("pydantic", "999.1", None, "is too old, 999.1 is needed"),
        ("pydantic", "1.0", "2.0", "is too new"),
    ],
)
def test_a_framework_that_does_not_fit_is_said(package, least, below, words):
    with pytest.raises(EnvironmentFailure, match=words):
        require(package, least, "x", below=below)
    require("pydantic", "2.0", "x")
