"""A candidate that begins in a thread while another is finished: taken, dropped, given up, or failed."""

import threading
import time
from contextlib import closing

import pytest
from judge_work import HONEST, candidate, exists, until

pytest.importorskip("triton", reason="needs the extra `eval`")

from eval.judge import baton, begun
from eval.judge.begun import Begun
from eval.judge.faults import BrokenJudgeError, FaultRaised
from eval.judge.processes import Zygote
from eval.judge.regions import HostRegion
from eval.judge.runner import Runner
from eval.records import Limits

HANGS = candidate(top="while True: pass")
CRASHES = candidate(top="import os\nos._exit(3)")
WRONG_BY_ITS_TEXT = HONEST + "# wrong\n"


def nobody():
    """Begin with no other."""


class Trying:
    """As much of a trial as begins on a CPU: a runner that loads the code."""

    def __init__(self, zygote, region, code, failure=None):
        self.zygote, self.region, self.code, self.failure = zygote, region, code, failure
        self.runner, self.phase, self.ends = None, None, 0
        self.free, self.waits = None, False

    def begin(self):
        if self.failure is not None:
            raise self.failure
        if self.free is not None:
            self.waits = True
            baton.wait_for(self.free)
        self.runner = Runner(self.zygote, self.region, Limits(seconds=60), cuda=False)
        try:
            self.runner.load(self.code, "ModelNew")
        except FaultRaised as raised:
            self.phase = raised.phase

    @property
    def is_wrong(self):
        return self.code is WRONG_BY_ITS_TEXT

    @property
    def may_be_the_company(self):
        return self.phase is not None

    def interrupt(self):
        if self.runner is not None:
            self.runner.interrupt()

    def end(self):
        self.ends += 1
        if self.runner is not None:
            self.runner.kill()


@pytest.fixture(scope="module")
def zygote():
    with closing(Zygote(cuda=False)) as parent:
        yield parent


@pytest.fixture
def region():
    with closing(HostRegion(1 << 20, 1 << 20)) as memory:
        yield memory


def started(trial):
    return Begun(None, trial, threading.Event(), nobody)


def test_what_has_begun_is_taken_as_far_as_it_came(zygote, region):
    with baton.held():
        trial = Trying(zygote, region, HONEST)
        assert started(trial).taken() is trial
        with baton.passed_on():
            time.sleep(0.05)
    assert trial.runner is None  # it was asked for before it could begin
    with baton.held():
        one = started(trial)
        with baton.passed_on():
            assert until(lambda: trial.runner is not None)
        assert one.taken() is trial
        assert (trial.phase, trial.ends) == (None, 0)
        trial.end()


@pytest.mark.parametrize("way", [Begun.go_on, Begun.taken])
def test_it_waits_until_the_gpu_is_free_or_nobody_else_needs_it(zygote, region, way):
    with baton.held():
        trial = Trying(zygote, region, HONEST)
        trial.free = threading.Event()
        one = Begun(None, trial, trial.free, nobody)
        with baton.passed_on():
            assert until(lambda: trial.waits)
        assert trial.runner is None
        way(one)
        with baton.passed_on():
            assert until(one._done.is_set)
        assert trial.runner.alive()
        trial.end()


@pytest.mark.parametrize("code", [HANGS, HONEST], ids=["hangs", "honest"])
def test_what_is_dropped_ends_with_its_process(zygote, region, code):
    with baton.held():
        trial = Trying(zygote, region, code)
        one = started(trial)
        with baton.passed_on():
            assert until(lambda: trial.runner is not None)
        one.drop()
        assert trial.ends == 1
        assert until(lambda: not exists(trial.runner.pid))


def test_a_crash_beside_another_is_not_held_against_it(zygote, region):
    with baton.held():
        trial = Trying(zygote, region, CRASHES)
        one = started(trial)
        with baton.passed_on():
            assert until(lambda: trial.phase is not None)
        assert trial.phase == "crash"
        assert one.taken() is None
        assert trial.ends == 1


def begun_with(failure):
    one = started(Trying(None, None, HONEST, failure))
    with baton.passed_on():
        assert until(one._done.is_set)
    return one


def test_our_failure_shows_when_it_is_tried_alone_and_harms_nobody_else():
    with baton.held():
        assert begun_with(AssertionError("ours")).taken() is None
        begun_with(AssertionError("ours")).drop()


@pytest.mark.parametrize("way", [Begun.taken, Begun.drop])
def test_what_cannot_be_ended_is_heard_of(way):
    with baton.held(), pytest.raises(BrokenJudgeError):
        way(begun_with(BrokenJudgeError("it lives on")))


def test_what_nobody_asks_for_is_given_up(zygote, region, monkeypatch):
    monkeypatch.setattr(begun, "_PATIENCE_SECONDS", 0.2)
    trial = Trying(zygote, region, HONEST)
    with baton.held():
        one = started(trial)
        with baton.passed_on():
            assert until(lambda: trial.ends == 1)
            assert until(lambda: not exists(trial.runner.pid))
        assert one.taken() is None
        one.drop()
        assert trial.ends == 1


@pytest.mark.parametrize(("code", "others"), [(WRONG_BY_ITS_TEXT, 1), (HONEST, 0)], ids=["wrong", "honest"])
def test_beside_what_will_not_be_timed_the_one_after_it_begins(zygote, region, code, others):
    begins = []
    with baton.held():
        trial = Trying(zygote, region, code)
        one = Begun(None, trial, threading.Event(), lambda: begins.append(code))
        with baton.passed_on():
            assert until(one._done.is_set)
        assert len(begins) == others
        assert one.taken() is trial
        trial.end()


class UnluckyError(Exception):
    """Stands for a failure of ours that nobody foresaw."""


@pytest.mark.parametrize(
    ("failure", "lost"),
    [(UnluckyError(), False), (BrokenJudgeError("it lives on"), True)],
    ids=["ours", "broken"],
)
def test_what_is_known_of_one_is_not_lost_where_the_one_after_it_cannot_begin(zygote, region, failure, lost):
    def fail():
        raise failure

    with baton.held():
        trial = Trying(zygote, region, WRONG_BY_ITS_TEXT)
        one = Begun(None, trial, threading.Event(), fail)
        with baton.passed_on():
            assert until(one._done.is_set)
        if lost:
            with pytest.raises(BrokenJudgeError):
                one.taken()
        else:
            assert one.taken() is trial
        trial.end()


def test_what_is_dropped_begins_nobody(zygote, region):
    begins = []
    with baton.held():
        trial = Trying(zygote, region, WRONG_BY_ITS_TEXT)
        trial.free = threading.Event()
        one = Begun(None, trial, trial.free, lambda: begins.append(1))
        with baton.passed_on():
            assert until(lambda: trial.waits)
        one.drop()
        assert not begins
        assert trial.ends == 1
