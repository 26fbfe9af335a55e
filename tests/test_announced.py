"""Jobs that a judge is told of before their turn: they change no order and no verdict."""

import threading

import pytest
from judge_work import HONEST, ended, until
from test_ahead import WRONG
from test_executors import fatal, quick
from test_sanitizer import OneVerdict

pytest.importorskip("triton", reason="needs the extra `eval`")

from eval import Judge, JudgeFailedError
from harness.executors import LocalExecutor, NoSlotError
from harness.executors.tasks import Task, Tasks
from harness.executors.threads import SlotExecutor


def tasks_of(slots, number):
    tasks, made = Tasks(slots), [Task(quick(f"{HONEST}\n# {place}")) for place in range(number)]
    for task in made:
        tasks.put(task)
    return tasks, made


def test_one_slot_is_told_of_what_it_then_gets():
    tasks, made = tasks_of(["a"], 4)
    got = []
    for place in range(4):
        got.append(tasks.take("a"))
        assert tasks.coming("a", 2) == [task.job for task in made[place + 1 : place + 3]]
    assert got == made


def test_two_slots_are_told_of_different_jobs_and_each_gets_its_own():
    tasks, (first, second, third, fourth) = tasks_of(["a", "b"], 4)
    assert tasks.take("a") is first
    assert tasks.coming("a", 1) == [second.job]
    assert tasks.take("b") is third
    assert tasks.coming("b", 1) == [fourth.job]
    assert tasks.take("b") is fourth
    assert tasks.take("a") is second


def test_what_was_promised_waits_for_nobody():
    tasks, (first, second, third) = tasks_of(["a", "b"], 3)
    assert tasks.take("a") is first
    assert tasks.coming("a", 2) == [second.job, third.job]
    assert tasks.take("b") is second
    assert tasks.coming("b", 2) == []
    tasks.stop("a", NoSlotError("no"))
    assert tasks.coming("b", 2) == [third.job]


def test_what_was_lost_on_a_slot_is_not_promised_to_it_again():
    tasks, (first, second) = tasks_of(["a", "b"], 2)
    assert tasks.take("a") is first
    first.lost_on.append("a")
    tasks.put(first)
    assert tasks.coming("a", 2) == [second.job]
    assert tasks.take("b") is first


class Starting(OneVerdict):
    """A slot whose judge is not up before it is `released`."""

    def __init__(self):
        super().__init__("slot")
        self.released, self.told = threading.Event(), []

    def _start(self):
        assert self.released.wait(30)
        return False

    def _judge(self, job, ahead):
        self.told.append((job, [*ahead]))
        return super()._judge(job, ahead)


def test_what_is_submitted_while_a_judge_starts_is_announced_with_the_first_job():
    slot, jobs = Starting(), [quick(f"{HONEST}\n# {place}") for place in range(3)]
    with SlotExecutor([slot]) as executor:
        futures = [executor.submit(job) for job in jobs]
        slot.released.set()
        assert [future.result().status for future in futures] == ["failed"] * 3
    assert slot.told == [(jobs[0], jobs[1:]), (jobs[1], jobs[2:]), (jobs[2], [])]


class Unreachable(OneVerdict):
    """A slot whose judge cannot be reached."""

    def _start(self):
        raise ConnectionError("nobody listens")

    def _bring_up(self):
        raise ConnectionError("nobody listens")


def test_a_judge_that_cannot_be_reached_is_lost_and_its_slot_stopped():
    slot, said = Unreachable("slot"), []
    stopped = pytest.raises(NoSlotError, match="cannot be started: nobody listens")
    with SlotExecutor([slot], said.append) as executor, stopped:
        executor.submit(quick()).result()
    assert slot.state().stage == "stopped"
    assert len(said) == 1


def test_while_a_judge_comes_up_others_are_waited_for():
    tasks, (first,) = tasks_of(["a"], 1)
    assert tasks.take("a") is first
    later = [Task(quick(f"{HONEST}\n# {place}")) for place in range(3)]
    for task in later:
        threading.Timer(0.05, tasks.put, [task]).start()
    told = tasks.coming("a", 2, 30.0)
    assert len(told) == 2
    assert all(job in [task.job for task in later] for job in told)
    assert until(lambda: len(tasks.coming("a", 3)) == 3)
    tasks.close(cancel=False)
    assert len(tasks.coming("a", 4, 30.0)) == 3  # nothing more will come


def test_a_judge_is_started_once():
    with Judge("cpu") as judge:
        assert judge.start()
        assert not judge.start()
        assert ended(judge.evaluate(quick())) == "passed"
        assert not judge.start()
    with pytest.raises(JudgeFailedError, match="was closed"):
        judge.start()


def test_a_judge_that_cannot_be_started_is_lost(monkeypatch):
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    said = []
    stopped = pytest.raises(NoSlotError, match="is stopped after 3 failures")
    with LocalExecutor("cpu", say=said.append) as executor, stopped:
        executor.submit(quick()).result()
    assert len(said) == 1


@pytest.mark.parametrize(
    "ahead",
    [[WRONG], [HONEST, HONEST], ["no code ("], []],
    ids=["another", "the same twice", "no code", "none"],
)
def test_what_is_announced_changes_no_verdict(judge, ahead):
    announced = [quick(code) for code in ahead]
    assert ended(judge.evaluate(quick(), announced)) == "passed"
    assert ended(judge.evaluate(quick(WRONG), announced)) == "incorrect: values"


def test_a_line_that_announces_nothing_sensible_is_passed_over(judge):
    judge._process.stdin.write('{"ahead":{"problem": 3}}\n{"ahead":\n')
    assert ended(judge.evaluate(quick())) == "passed"


def test_a_judge_that_dies_loses_no_job_that_was_announced_to_it(tmp_path):
    marks = tmp_path / "marks"
    marks.mkdir()
    said = []
    with LocalExecutor("cpu", say=said.append) as executor:
        codes = [WRONG, f"{HONEST}\n# twice", "no code ("]
        futures = [executor.submit(quick(problem=fatal(marks, 1))), *map(executor.submit, map(quick, codes))]
        verdicts = [ended(future.result()) for future in futures]
    assert verdicts == ["passed", "incorrect: values", "passed", "failed: parse"]
    assert len(list(marks.iterdir())) == 1
    assert said == []
