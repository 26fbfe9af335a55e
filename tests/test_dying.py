"""Runners that were ended keep their memory until the system has taken them apart."""

from contextlib import ExitStack, closing

import pytest
from judge_work import exists, until

pytest.importorskip("triton", reason="needs the extra `eval`")

from eval.judge.dying import _MOST, Dying, _Ended
from eval.judge.faults import BrokenJudgeError
from eval.judge.processes import Zygote
from eval.judge.regions import HostRegion
from eval.judge.runner import Runner
from eval.records import Limits

LIMITS = Limits(seconds=60)


@pytest.fixture(scope="module")
def zygote():
    with closing(Zygote(cuda=False)) as parent:
        yield parent


@pytest.fixture
def places(zygote):
    """Give runners, each in memory of its own."""
    with ExitStack() as stack:

        def place():
            region = stack.enter_context(closing(HostRegion(1 << 20, 1 << 20)))
            runner = Runner(zygote, region, LIMITS, cuda=False)
            stack.callback(runner.kill)
            return runner, region

        yield place


def test_one_that_was_ended_has_its_memory_until_it_is_gone(zygote, places):
    dying, (runner, region) = Dying(zygote), places()
    assert not runner.gone()
    dying.end(runner, region)
    assert all(held is region for held in dying.regions)
    assert until(runner.gone)
    dying.let_go()
    assert dying.regions == []
    assert not exists(runner.pid)
    assert runner.gone()


def test_one_that_lives_is_not_let_go(zygote, places):
    dying, (runner, region) = Dying(zygote), places()
    dying._ended.append(_Ended(runner, region))
    dying.let_go()
    assert dying.regions == [region]


def test_all_are_waited_for(zygote, places):
    dying, several = Dying(zygote), [places() for _ in range(_MOST + 2)]
    for runner, region in several:
        dying.end(runner, region)
        assert len(dying.regions) <= _MOST
    dying.wait()
    assert dying.regions == []
    assert not any(exists(runner.pid) for runner, _ in several)


def test_nobody_is_waited_for_where_none_was_ended(zygote):
    dying = Dying(zygote)
    dying.wait()
    dying.wait_for_the_gpu()
    assert dying.regions == []


def test_after_one_that_could_not_be_ended_nobody_is_timed_any_more():
    with closing(Zygote(cuda=False)) as broken:
        dying, broken.healthy = Dying(broken), False
        for waits in (dying.wait, dying.wait_for_the_gpu):
            with pytest.raises(BrokenJudgeError, match="could not be ended"):
                waits()
