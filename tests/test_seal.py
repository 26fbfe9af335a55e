"""What a runner works with is the same after a candidate was loaded, or the runner says so."""

import socket

import pytest

pytest.importorskip("torch", reason="needs the extra `eval`")
pytest.importorskip("triton", reason="needs the extra `eval`")

import triton.language as tl
from triton.runtime.jit import JITFunction

from eval import protocol
from eval.runner.guard import OperatorLog
from eval.runner.seal import Seal, TamperedError

PLACES = {
    "a method of ours": (OperatorLog, "count"),
    "a class of ours": (protocol, "Channel"),
    "a function of ours": (protocol, "parse"),
    "a launch": (JITFunction, "run"),
    "a library function": (socket, "socketpair"),
}


def test_a_seal_holds_where_nothing_changed():
    seal = Seal()
    seal.check()
    seal.check()


@pytest.mark.parametrize("name", PLACES)
def test_what_is_replaced_is_told(name, monkeypatch):
    place, word = PLACES[name]
    seal = Seal()
    monkeypatch.setattr(place, word, lambda *_: None)
    with pytest.raises(TamperedError, match=f"{word} was replaced"):
        seal.check()


def test_what_is_removed_is_told(monkeypatch):
    seal = Seal()
    monkeypatch.delattr(OperatorLog, "read")
    with pytest.raises(TamperedError, match=r"OperatorLog\.read"):
        seal.check()


def test_new_names_data_and_what_the_interpreter_patches_are_nobody_s_business(monkeypatch):
    seal = Seal()
    monkeypatch.setattr(protocol, "MAX_BYTES", 7)
    monkeypatch.setattr(protocol, "another", print, raising=False)
    monkeypatch.setattr(tl, "store", print)
    seal.check()
