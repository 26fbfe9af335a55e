"""Two threads of one judge: one works at a time, and goes on where the other waits for its runner."""

import threading
import time
from contextlib import closing

import pytest
from judge_work import HONEST, candidate, job

pytest.importorskip("triton", reason="needs the extra `eval`")

from eval.judge import baton
from eval.judge.faults import FaultRaised
from eval.judge.processes import Zygote
from eval.judge.regions import HostRegion
from eval.judge.runner import Runner
from eval.judge.trial import Trial
from eval.records import Environment, Limits

WRONG = HONEST.replace("* factor + 1", "* factor + 2")
ENVIRONMENT = Environment(evaluator="0", python="3", platform="p", torch="2", triton="3")


@pytest.fixture(scope="module")
def zygote():
    with closing(Zygote(cuda=False)) as parent:
        yield parent


def test_two_trials_at_once_end_as_they_do_alone(zygote):
    ended, order = {}, []

    def judge(code):
        with baton.held():
            order.append(code)
            ended[code] = Trial(job(code), zygote, ENVIRONMENT).judge()
            order.append(code)

    codes = (HONEST, WRONG, candidate("return x * self.factor"), candidate("raise ValueError('no')"))
    threads = [threading.Thread(target=judge, args=(code,)) for code in codes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert order[0] != order[1]  # another began while the first waited
    for code in codes:
        alone = Trial(job(code), zygote, ENVIRONMENT).judge()
        assert (ended[code].status, ended[code].tracks) == (alone.status, alone.tracks)


def test_one_thread_works_at_a_time_and_another_while_it_waits():
    inside, most, switches = 0, 0, []

    def work(name):
        nonlocal inside, most
        for _ in range(50):
            with baton.held():
                inside += 1
                most = max(most, inside)
                switches.append(name)
                inside -= 1
                with baton.passed_on():
                    time.sleep(0.0005)
                inside += 1
                most = max(most, inside)
                inside -= 1

    threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert switches[:50] != ["a"] * 50


def test_what_is_raised_while_waiting_leaves_it_in_order():
    with pytest.raises(KeyError), baton.held(), baton.passed_on():
        raise KeyError
    with pytest.raises(KeyError), baton.passed_on():
        raise KeyError
    with baton.held():
        pass


@pytest.mark.parametrize("rested_s", [0.0, 60.0])
def test_time_in_which_a_runner_rested_is_not_counted(zygote, rested_s):
    with closing(HostRegion(1 << 20, 1 << 20)) as region:
        runner = Runner(zygote, region, Limits(seconds=1.0), cuda=False)
        time.sleep(1.1)
        runner.rested(rested_s)
        phases = []
        try:
            runner.load(HONEST, "ModelNew")
        except FaultRaised as raised:
            phases.append(raised.phase)
        runner.kill()
        assert phases == ([] if rested_s else ["timeout"])


def test_an_interrupted_runner_is_heard_of_by_the_thread_that_waits_for_it(zygote):
    with closing(HostRegion(1 << 20, 1 << 20)) as region:
        runner = Runner(zygote, region, Limits(seconds=60), cuda=False)
        heard = []

        def load():
            with baton.held():
                try:
                    runner.load("while True: pass", "ModelNew")
                except FaultRaised as raised:
                    heard.append(raised.phase)

        thread = threading.Thread(target=load)
        thread.start()
        time.sleep(0.3)
        with baton.held():
            runner.interrupt()
            with baton.passed_on():
                thread.join()
        assert heard in (["crash"], ["memory"])
        assert not runner.alive()


def test_a_runner_whose_answer_nobody_fetches_is_ended(zygote):
    """The next question would be given that answer, and its honest candidate be taken for a liar."""

    def fails():
        raise MemoryError("of the oracle")

    with closing(HostRegion(1 << 20, 1 << 20)) as region:
        runner = Runner(zygote, region, Limits(seconds=60), cuda=False)
        runner.load("class ModelNew:\n    def __call__(self):\n        return 1\n", "ModelNew")
        runner.instance("a", [])
        assert runner.call("a", [], meanwhile=lambda: None).types == ["int"]
        with pytest.raises(MemoryError):
            runner.call("a", [], meanwhile=fails)
        assert not runner.alive()


def test_who_waits_for_an_event_lets_the_other_work_and_counts_it_as_waiting():
    event, seen = threading.Event(), []

    def other():
        with baton.held():
            seen.append(baton.wait_for(event))
            seen.append(baton.waited_s())

    with baton.held():
        thread = threading.Thread(target=other)
        thread.start()
        with baton.passed_on():
            time.sleep(0.05)
        assert not seen  # it waits, and this one works
        event.set()
        with baton.passed_on():
            thread.join()
    took_s, waited_s = seen
    assert 0 < took_s <= waited_s
