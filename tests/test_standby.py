"""Who takes a runner that waits, and what becomes of its memory where it cannot be had."""

import os
import signal
from contextlib import closing

import pytest
from judge_work import exists, until

pytest.importorskip("triton", reason="needs the extra `eval`")

from eval.judge.faults import BrokenJudgeError
from eval.judge.processes import Zygote
from eval.judge.regions import HostRegion
from eval.judge.runner import Runner
from eval.judge.standby import Standby, _Waiting
from eval.records import Limits

LIMITS = Limits(seconds=60)


@pytest.fixture(scope="module")
def zygote():
    with closing(Zygote(cuda=False)) as parent:
        yield parent


@pytest.fixture
def waiting(zygote):
    """A standby whose one runner may still be on its way inside its walls, as `begin` leaves it on a GPU."""
    with closing(HostRegion(1 << 20, 1 << 20)) as region:
        standby = Standby(zygote)
        runner = Runner(zygote, region, LIMITS, cuda=False, wait=False)
        standby._waiting.append(_Waiting(runner, LIMITS, region))
        yield standby, runner, region
        runner.kill()
        standby.drop()


def test_one_that_is_on_its_way_is_waited_for_and_its_memory_is_in_use(waiting):
    standby, runner, region = waiting
    assert standby.ready(LIMITS)
    place = standby.take(LIMITS)
    assert (place.runner, place.region) == (runner, region)
    assert (standby.count, standby._in_use) == (0, [region])
    standby.retire(place)
    assert standby._in_use == []
    standby.wait_for_the_dead()
    assert until(lambda: not exists(runner.pid))


def test_one_that_died_or_has_other_limits_is_not_taken_and_gives_its_memory_back(waiting):
    standby, runner, region = waiting
    assert not standby.ready(Limits(seconds=7))
    assert standby.take(Limits(seconds=7)) is None
    assert (standby.count, standby._in_use) == (0, [])
    assert until(lambda: not exists(runner.pid))
    assert standby.free(region).runner is None


def test_one_that_dies_on_its_way_is_not_taken(waiting):
    standby, runner, _ = waiting
    os.kill(runner.pid, signal.SIGKILL)
    assert standby.take(LIMITS) is None
    assert standby._in_use == []


def test_an_interrupt_while_it_is_waited_for_leaves_nothing(waiting, monkeypatch):
    standby, runner, _ = waiting

    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "enter", interrupted)
    with pytest.raises(KeyboardInterrupt):
        standby.take(LIMITS)
    assert (standby.count, standby._in_use) == (0, [])
    assert until(lambda: not exists(runner.pid))


def test_regions_that_nobody_is_in_are_free_in_their_order(waiting):
    standby, _, home = waiting
    with closing(HostRegion(1 << 20, 1 << 20)) as spare, closing(HostRegion(1 << 20, 1 << 20)) as other:
        assert standby._unused([home, spare, other]) == [spare, other]
        standby._in_use.append(spare)
        assert standby._unused([home, spare, other]) == [other]
        assert standby._unused([home, spare]) == []
        place = standby.take(LIMITS)
        assert standby._unused([home, spare]) == []
        standby.retire(place)
        standby.wait_for_the_dead()
        assert standby._unused([home, spare]) == [home]


def test_those_that_wait_are_ended_though_another_could_not_be():
    with closing(Zygote(cuda=False)) as broken, closing(HostRegion(1 << 20, 1 << 20)) as region:
        standby, runner = Standby(broken), Runner(broken, region, LIMITS, cuda=False)
        standby._waiting.append(_Waiting(runner, LIMITS, region))
        broken.healthy = False
        with pytest.raises(BrokenJudgeError):
            standby.drop()
        assert runner.gone()
        assert standby.count == 0
