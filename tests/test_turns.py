"""Turns of trusted runners, each played by a thread that says what a runner says, in that order."""

import os
import queue
import threading
import time
from contextlib import ExitStack, closing
from types import SimpleNamespace

import pytest
from judge_work import PROBLEM

pytest.importorskip("torch", reason="needs the extra `eval`")

import torch

from eval.gate import AWAKE, DONE, OPENED, QUEUED, TURN, Gate, new_page
from eval.judge.answers import Facts, OneCall
from eval.judge.calls import Caller
from eval.judge.contestant import Contestant
from eval.judge.faults import BaselineFailedError, failed, rejected
from eval.judge.reference import CaseReference
from eval.judge.regions import HostRegion
from eval.judge.turns import Turns
from eval.tensors import parse_desc

CASE = CaseReference(PROBLEM, PROBLEM.cases[0])
FACTS = Facts(
    aliases_input=False, aliases_earlier=False, launched={"kernel": 1}, configs={}, operators=None, live=[]
)  # fmt: skip
LONG_MS, SHORT_MS = 60.0, 1.0
ALWAYS, NEVER = 0.0, 1e9
"""How much longer a call has to take than what the judge does meanwhile, for that to be done."""


class Played:
    """A runner whose GPU takes `ms` for a call.

    It fails at what `fails` says, by its number from 0 on: a question, a description or an account.
    """

    def __init__(self, region, ms, fails=None):
        self._region, self._ms, self._fails = region, ms, fails
        self._fd = new_page()
        self.gate, self._gpu = Gate(self._fd), Gate(self._fd)
        self.weights, self.live = {}, []
        self.said, self.ended = queue.Queue(), False
        self.done, self.accounts_after = threading.Event(), None
        self._asked = queue.Queue()
        self._told = {"question": 0, "description": 0, "account": 0}
        threading.Thread(target=self._work, daemon=True).start()

    def close(self):
        self._asked.put(None)
        os.close(self._fd)

    def _work(self):
        while (nonce := self._asked.get()) is not None:
            self.said.put(("description", nonce))
            self._gpu.write(QUEUED, 1)
            self._wait(TURN)
            self._gpu.write(AWAKE, 1)
            self._wait(OPENED)
            time.sleep(self._ms / 1e3)
            self._gpu.write(DONE, 1)
            self.done.set()
            self.said.put(("account", nonce))

    def _wait(self, word):
        while not self._gpu.read(word):
            time.sleep(1e-4)

    def _fail(self, what):
        number, self._told[what] = self._told[what], self._told[what] + 1
        if self._fails == (what, number):
            raise failed("crash", f"it fails at {what} {number}")

    def _hear(self, wanted):
        said = self.said.get(timeout=20)
        if said != wanted:
            raise rejected("tampering", f"{said}, not {wanted}", "nonce")

    def question(self, message):
        assert message["op"] == "timed"
        self._fail("question")
        nonce = str(self._told["question"])
        self._asked.put(nonce)
        return nonce

    def described(self, nonce, count):
        self._fail("description")
        self._hear(("description", nonce))
        output = {"shape": [3, 5], "dtype": "float32", "offset": self._region.split, "stride": [5, 1]}
        call = {"structure": "tensor", "types": ["tensor"], "outputs": [output], "too_large": False}
        return [call] * count

    def accounted(self, nonce, count, *, done):
        assert done
        if self.accounts_after is not None:
            assert self.accounts_after.wait(20)
        self._fail("account")
        self._hear(("account", nonce))
        return [self._ms] * count, FACTS

    def parsed(self, call):
        return OneCall.model_validate(call)

    def descriptions(self, call):
        return [parse_desc(output.model_dump(), self._region.size_bytes) for output in call.outputs]

    def speaks(self):
        return False

    def begin_waiting(self):
        """Count no time."""

    def end(self):
        self.ended = True


@pytest.fixture
def playing(monkeypatch):
    """Make contestants, by the ms of a call and where their runners fail, and the turns that they take."""
    monkeypatch.setattr("eval.judge.opening._QUEUE_NS", 10_000_000_000)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(L2_cache_size=1024))
    with ExitStack() as stack:

        def made(*runners):
            contestants = []
            for number, (ms, fails) in enumerate(runners):
                region = stack.enter_context(closing(HostRegion(1 << 16, 1 << 16)))
                runner = stack.enter_context(closing(Played(region, ms, fails)))
                caller = Caller(PROBLEM, region)
                one = Contestant(f"number {number}", runner, region, caller, "", trusted=True)
                one.waits, one.usual_ms = False, (ms, ms)
                contestants.append(one)
            return Turns(CASE, CASE.signature(), contestants, nobody, nobody), contestants

        yield made


def nobody(*_):
    """Look at the calls of a candidate: there is none."""
    raise AssertionError


def take(turns, orders):
    """Take rounds in these orders, each knowing whose turn is the first of the next, but for the last."""
    for order, following in zip(orders, [*orders[1:], None], strict=True):
        turns.round(order, following[0] if following is not None else None)


@pytest.fixture(params=[(LONG_MS, ALWAYS), (SHORT_MS, NEVER)], ids=["room", "none"])
def ms(request, monkeypatch):
    """How long calls take, where the judge does other things meanwhile and where it does not."""
    taken_ms, room = request.param
    monkeypatch.setattr("eval.judge.turns._ROOM", room)
    return taken_ms


def test_every_turn_is_heard_of_once_and_in_order(playing, ms):
    turns, (a, b, c) = playing(*[(ms, None)] * 3)
    take(turns, [[a, b, c], [c, b, a], [b, a, c], [c, a, b]])  # twice the last is the next first
    for one in (a, b, c):
        assert len(one.event_ms) == 4 or one in turns._hurried
        assert len(one.event_ms) == len(one.done_ms) == len(one.sealed_ms)
        assert one.late_turns == 0
        assert one.runner.said.empty()
        assert not one.runner.ended
    turns.let_go()
    assert all(one.runner.said.empty() for one in (a, b, c))


@pytest.mark.parametrize("what", ["question", "description", "account"])
@pytest.mark.parametrize("when", [0, 1])
def test_who_fails_is_named_and_nobody_else_is_ended(playing, ms, what, when):
    turns, (a, b, c) = playing((ms, None), (ms, (what, when)), (ms, None))
    with pytest.raises(BaselineFailedError, match=f"number 1: it fails at {what} {when}"):
        take(turns, [[a, b, c], [c, b, a], [b, a, c]])
    turns.let_go()
    assert [one.runner.ended for one in (a, c)] == [False, False]
    assert b.runner.ended == (what != "question")
    for one in (a, c):
        assert one.runner.said.empty()


def test_an_end_that_nobody_watched_for_is_no_sample_and_there_is_no_room_from_then_on(playing, monkeypatch):
    monkeypatch.setattr("eval.judge.turns._ROOM", ALWAYS)
    turns, (a, b) = playing((SHORT_MS, None), (LONG_MS, None))
    b.runner.accounts_after = a.runner.done  # which the judge hears while a works
    turns.round([b, a])
    assert (len(a.event_ms), len(a.done_ms), len(a.sealed_ms)) == (0, 0, 0)
    assert len(b.event_ms) == 1
    assert not turns._gives_room(a)
    assert turns._gives_room(b)
    turns.round([b, a])
    assert len(a.event_ms) == 1


def test_of_two_that_fail_the_first_is_named(playing, monkeypatch):
    monkeypatch.setattr("eval.judge.turns._ROOM", ALWAYS)
    turns, (a, b) = playing((SHORT_MS, ("account", 0)), (SHORT_MS, ("description", 0)))
    turns._hurried.add(b)
    with pytest.raises(BaselineFailedError, match="number 0: it fails at account 0"):
        turns.round([a, b])
    turns.let_go()


def test_what_was_asked_ahead_of_a_failure_is_let_go_and_serves_again(playing, monkeypatch):
    monkeypatch.setattr("eval.judge.turns._ROOM", ALWAYS)
    turns, (a, b) = playing((LONG_MS, ("account", 1)), (LONG_MS, None))
    with pytest.raises(BaselineFailedError):
        take(turns, [[a, b], [a, b], [b, a]])
    turns.let_go()
    assert not b.runner.ended
    assert b.runner.said.empty()
    again, before = Turns(CASE, CASE.signature(), [b], nobody), len(b.event_ms)
    take(again, [[b], [b]])
    assert len(b.event_ms) >= before + 2 or b in again._hurried


def test_what_was_drawn_for_turns_of_other_calls_is_forgotten(playing, monkeypatch):
    monkeypatch.setattr("eval.judge.turns._ROOM", ALWAYS)
    turns, (a, b) = playing((LONG_MS, None), (LONG_MS, None))
    turns.round([a, b], a)
    assert [*turns._readouts] == [a]
    turns.restart(2)
    assert (turns._readouts, turns.calls) == ({}, 2)
    turns.let_go()
    assert a.runner.said.empty()
    assert b.runner.said.empty()
