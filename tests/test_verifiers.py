"""The environment by verifiers' own loader and evaluation, on the loopback replay server."""

import asyncio

import pytest
from judge_work import problem_folder
from served_judge import REPLIES, TOKEN, serving

pytest.importorskip("verifiers", reason="needs the extra `verifiers`")
pytest.importorskip("uvicorn", reason="needs the extra `serve`")

import verifiers as vf
from verifiers.types import ClientConfig

from harness.llm import ReplayServer

pytestmark = pytest.mark.filterwarnings("default")  # of verifiers and its like among themselves
ENVIRONMENT = "harness.adapters.verifiers_env"


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    folder = tmp_path_factory.mktemp("verifiers")
    problem_folder(folder / "affine")
    with pytest.MonkeyPatch.context() as patch, serving(folder) as made:
        patch.setenv("KERNEL_HARNESS_TOKEN", TOKEN)
        patch.setenv("REPLAY_KEY", "none")
        patch.chdir(folder)
        yield made


def recorded(folder, names):
    folder.mkdir()
    for number, name in enumerate(names):
        (folder / f"{number}.md").write_text(REPLIES[name][0])
    return folder


def evaluated(replies, **arguments):
    environment = vf.load_environment(ENVIRONMENT, problems="affine", folder="affine", **arguments)
    with ReplayServer(replies) as server:
        client = ClientConfig(api_base_url=server.url, api_key_var="REPLAY_KEY", max_retries=0)
        results = asyncio.run(
            environment.evaluate(
                client, "replay", rollouts_per_example=1, num_examples=1, max_concurrent=1,
                state_columns=["kernel_harness_verdict", "trajectory"],
            )
        )  # fmt: skip
    (output,) = results["outputs"]
    return output


@pytest.mark.parametrize("name", ["honest", "cheats", "prose"])
def test_one_turn_from_prompt_to_reward(url, tmp_path, name):
    output = evaluated(recorded(tmp_path / "replies", [name]), judge=url, timeout_s=120)
    _, kind, value = REPLIES[name]
    assert output["reward"] == pytest.approx(value)
    assert output["error"] is None
    assert (output["kernel_harness_verdict"]["status"] == "passed") == (kind == "passed")
    assert "triton" in output["prompt"][0]["content"].lower()


def test_the_feedback_is_the_next_turn(url, tmp_path):
    replies = recorded(tmp_path / "replies", ["prose", "wrong", "honest", "cheats"])
    output = evaluated(replies, judge=url, timeout_s=120, turns=4)
    said = [(message["role"], message["content"]) for message in output["completion"]]
    assert [role for role, _ in said] == ["assistant", "user", "assistant", "user", "assistant"]
    assert "no candidate could be taken out" in said[1][1]
    assert "incorrect (values)" in said[3][1]
    assert output["reward"] == pytest.approx(0.3)


def test_our_own_failure_is_an_error_and_no_reward(url, tmp_path):
    replies = recorded(tmp_path / "replies", ["honest"])
    output = evaluated(replies, judge="http://127.0.0.1:9/", timeout_s=0.5)
    assert "InfraError" in str(output["error"])
    assert output["reward"] == 0


def test_an_unknown_problem_is_said():
    with pytest.raises(RuntimeError, match="unknown problem 'afine'"):
        vf.load_environment(ENVIRONMENT, problems="afine")
