import json
import os
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval import protocol
from eval.protocol import MAX_BYTES, ChannelClosedError, ChannelTimeoutError, ProtocolError


@pytest.fixture
def ends():
    """The judge's channel, and the bare socket that a runner would hold."""
    channel, theirs = protocol.pair()
    yield channel, theirs
    channel.close()
    theirs.close()


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"text": 'é 漢 🙂 \x00 "', "numbers": [0, -1, 2**70, 0.1], "nested": {"a": [None, True]}},
        {"text": "x" * (MAX_BYTES - len('{"text":""}'))},
    ],
)
def test_messages_arrive_as_they_were_sent(ends, message):
    judge, theirs = ends
    runner = protocol.Channel(theirs)
    judge.send(message)
    assert runner.receive(1.0) == message
    runner.send(message)
    assert judge.receive(1.0) == message


def test_a_message_that_is_too_large_is_not_sent(ends):
    with pytest.raises(ProtocolError):
        ends[0].send({"text": "x" * MAX_BYTES})


MALFORMED = {
    "no JSON": b"verdict: passed",
    "a broken object": b'{"a": ',
    "an array": b"[1]",
    "a number": b"7",
    "bytes that are no text": b'{"a": "\xff"}',
    "another encoding": '{"a": 1}'.encode("utf-16"),
    "half of a pair": b'{"a": "\\ud83d"}',
    "half of a pair as a key": b'{"\\uDC00": 1}',
    "half of a pair as bytes": b'{"a": "\xed\xa0\x80"}',
    "arrays without end": b"[" * 40_000,
    "objects without end": b'{"a":' * 9_000 + b"1" + b"}" * 3_000,
    "a deep object": b'{"a":' * 8_000 + b"1" + b"}" * 8_000,
    "a number without end": b'{"a": ' + b"9" * 40_000 + b"}",
    "more than fits": b'{"a": "' + b"x" * MAX_BYTES + b'"}',
    "far more than fits": b'{"a": "' + b"x" * (3 * MAX_BYTES) + b'"}',
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
def test_anything_else_is_refused(ends, data):
    judge, theirs = ends
    theirs.sendall(data)
    with pytest.raises(ProtocolError):
        judge.receive(1.0)


def test_a_refused_message_does_not_spoil_the_next(ends):
    judge, theirs = ends
    theirs.sendall(MALFORMED["far more than fits"])
    theirs.sendall(b'{"b": 2}')
    with pytest.raises(ProtocolError):
        judge.receive(1.0)
    assert judge.receive(1.0) == {"b": 2}


@given(st.binary(max_size=200) | st.text(max_size=50).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_no_bytes_raise_anything_else(data):
    try:
        message = protocol.parse(data)
    except ProtocolError:
        return
    assert isinstance(message, dict)


@given(
    st.dictionaries(st.text(), st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
)
def test_every_object_of_text_is_read(message):
    assert protocol.parse(json.dumps(message).encode()) == message


def test_silence_is_a_timeout(ends):
    with pytest.raises(ChannelTimeoutError):
        ends[0].receive(0.01)


def test_the_other_side_being_gone_is_told_apart(ends):
    judge, theirs = ends
    theirs.close()
    with pytest.raises(ChannelClosedError):
        judge.receive(1.0)
    with pytest.raises(ChannelClosedError):
        judge.send({})


def test_what_was_sent_before_the_end_is_still_read(ends):
    judge, theirs = ends
    theirs.sendall(b'{"last": 1}')
    theirs.close()
    assert judge.receive(1.0) == {"last": 1}
    with pytest.raises(ChannelClosedError):
        judge.receive(1.0)


def test_a_closed_channel_says_so(ends):
    judge, _ = ends
    judge.close()
    for use in (lambda: judge.send({}), lambda: judge.receive(0.1)):
        with pytest.raises(ChannelClosedError):
            use()


def test_a_side_that_does_not_read_is_not_waited_for(ends):
    judge, _ = ends

    def fill():
        for _ in range(100):
            judge.send({"text": "x" * 40_000}, timeout_s=0.05)

    with pytest.raises(ChannelTimeoutError):
        fill()


def test_descriptors_travel_beside_a_message(ends):
    judge, theirs = ends
    read, write = os.pipe()
    judge.send({"op": "fork"}, [write])
    os.close(write)
    message, (received,) = protocol.Channel(theirs).receive_with_fds(1.0)
    os.write(received, b"x")
    assert (message, os.read(read, 1)) == ({"op": "fork"}, b"x")
    os.close(received)
    os.close(read)


def test_descriptors_that_nobody_asked_for_are_refused_and_closed(ends):
    judge, theirs = ends
    before = open_files()
    with Path(os.devnull).open() as file:
        for _ in range(3):
            socket.send_fds(theirs, [b'{"a": 1}'], [file.fileno()] * 5)
            with pytest.raises(ProtocolError):
                judge.receive(1.0)
            socket.send_fds(theirs, [b"no JSON"], [file.fileno()])
            with pytest.raises(ProtocolError):
                judge.receive_with_fds(1.0)
    assert open_files() == before


def test_nonces_are_long_and_new():
    nonces = {protocol.new_nonce() for _ in range(1000)}
    assert len(nonces) == 1000
    assert {len(nonce) for nonce in nonces} == {32}
