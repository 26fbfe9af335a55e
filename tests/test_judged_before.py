"""What is judged already is not judged again, and the stricter verdict stands."""

import pytest
from judge_work import HONEST, problem_folder

pytest.importorskip("triton", reason="needs the extra `eval`")

from harness.executors import LocalExecutor
from harness.pipeline import JudgeSettings, Pipeline
from harness.records import Reply
from harness.store import Store


@pytest.mark.parametrize("first", [False, True], ids=["after it", "before and after it"])
def test_a_plain_verdict_never_takes_the_place_of_a_sanitized_one(tmp_path, first):
    problem_folder(tmp_path / "affine")
    reply = Reply(model="m", sample=1, text=HONEST.strip(), source="1.py", is_code=True)
    plain = JudgeSettings(device="cpu", problem=str(tmp_path / "affine"))
    sanitized = plain.model_copy(update={"sanitize": True})
    wanted = [*([plain] if first else []), sanitized, plain, plain]
    with Store(tmp_path / "s.db") as store, store.run("test") as run, LocalExecutor("cpu") as executor:
        judged = [one for how in wanted for one in Pipeline(how, store, run).judge_with(executor, [reply])]
    assert [one.cached for one in judged[-3:]] == [False, True, True]
    assert {one.attempt.id for one in judged[-3:]} == {judged[-1].attempt.id}
    assert len({one.attempt.id for one in judged}) == 1 + first


def test_fresh_judges_again(tmp_path):
    problem_folder(tmp_path / "affine")
    reply = Reply(model="m", sample=1, text=HONEST.strip(), source="1.py", is_code=True)
    plain = JudgeSettings(device="cpu", problem=str(tmp_path / "affine"))
    with Store(tmp_path / "s.db") as store, store.run("test") as run, LocalExecutor("cpu") as executor:
        for fresh in (False, True):
            settings = plain.model_copy(update={"fresh": fresh})
            (judged,) = Pipeline(settings, store, run).judge_with(executor, [reply])
            assert not judged.cached
        assert executor.states()[0].judged == 2
