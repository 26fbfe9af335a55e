"""Runners that their parent is asked for, and whose process ids are waited for later."""

import os
import signal
from contextlib import closing, contextmanager

import pytest
from judge_work import exists

pytest.importorskip("triton", reason="needs the extra `eval`")

from eval import protocol
from eval.judge.faults import BrokenJudgeError
from eval.judge.processes import Zygote


@pytest.fixture
def zygote():
    with closing(Zygote(cuda=False)) as parent:
        assert parent.versions
        yield parent


@contextmanager
def asked_for(zygote):
    """A runner that was asked for; it ends when its channel does, with this."""
    channel, theirs = protocol.pair()
    read, write = os.pipe()
    try:
        yield zygote.fork([theirs.fileno(), write])
    finally:
        channel.close()
        theirs.close()
        os.close(read)
        os.close(write)


def test_those_that_were_asked_for_are_told_apart_in_whatever_order_they_are_wanted(zygote):
    with asked_for(zygote) as first, asked_for(zygote) as second, asked_for(zygote) as third:
        assert first.told is second.told is third.told is None
        last = third.pid
        assert None not in (first.told, second.told)
        assert len({first.pid, second.pid, last}) == 3
        assert all(map(exists, (first.pid, second.pid, last)))


def test_one_may_have_ended_before_another_is_known(zygote):
    with asked_for(zygote) as first:
        assert zygote.exit_status(first.pid, 0.0) is None
    with asked_for(zygote) as second:
        assert zygote.exit_status(first.pid, 20.0) is not None
        assert exists(second.pid)
        zygote.let_go(first.pid)


def test_a_parent_that_dies_before_it_forked_is_our_failure(zygote):
    os.kill(zygote._process.pid, signal.SIGSTOP)
    with asked_for(zygote) as forked:
        os.kill(zygote._process.pid, signal.SIGKILL)
        with pytest.raises(BrokenJudgeError, match="parent process"):
            assert forked.pid
