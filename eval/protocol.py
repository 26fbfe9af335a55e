"""The exchange between judge and runner: bounded JSON datagrams with a nonce, descriptors beside them.

What a runner sends is hostile. It is parsed as JSON of at most `MAX_BYTES`, checked for its nonce,
and never unpickled or evaluated.
"""

from __future__ import annotations

import array
import json
import os
import secrets
import select
import socket
import time
from typing import Any

MAX_BYTES = 48 * 1024
_MOST_DEPTH = 500
"""Of a message; Python's parser has a bound of its own, which from 3.13 on is far higher."""
_SHOWN_CHARS = 200
_SURROGATE = "\\ud"
"""How JSON writes half of a pair; alone it is no text, and nothing can store it."""


class ProtocolError(Exception):
    """The other side sent something that is not a message."""


class ChannelClosedError(Exception):
    """The other side is gone."""


class ChannelTimeoutError(Exception):
    """Nothing came before the deadline."""


def pair() -> tuple[Channel, socket.socket]:
    """Return the judge's end of a new channel and the socket to hand to the runner."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in (ours, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * MAX_BYTES)
    return Channel(ours), theirs


class Channel:
    """One end of a sequence of datagrams."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        sock.setblocking(False)

    def fileno(self) -> int:
        """Return the descriptor, for `select`."""
        return self._sock.fileno()

    def close(self) -> None:
        """Close this end; the other reads `ChannelClosedError`."""
        self._sock.close()

    def send(self, message: dict[str, Any], fds: list[int] | None = None, timeout_s: float = 30.0) -> None:
        """Send one message, with open descriptors beside it.

        Raises:
            ProtocolError: the message is larger than `MAX_BYTES`.
            ChannelClosedError: the other side is gone.
            ChannelTimeoutError: the other side does not read.

        """
        data = json.dumps(message, separators=(",", ":")).encode()
        if len(data) > MAX_BYTES:
            raise ProtocolError(f"message of {len(data)} bytes")
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                self._sock.sendmsg([data], ancillary)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise ChannelTimeoutError from None
                select.select([], [self._sock], [], 0.05)
            except OSError as error:
                raise ChannelClosedError(str(error)) from None
            else:
                return

    def receive(self, timeout_s: float) -> dict[str, Any]:
        """Return the next message.

        Raises:
            ChannelTimeoutError: nothing came within `timeout_s` seconds.
            ChannelClosedError: the other side is gone.
            ProtocolError: what came is not a message.

        """
        message, fds = self.receive_with_fds(timeout_s, max_fds=0)
        assert not fds
        return message

    def receive_with_fds(self, timeout_s: float, *, max_fds: int = 4) -> tuple[dict[str, Any], list[int]]:
        """Like `receive`, with the descriptors that came along."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                data, fds, flags, _ = socket.recv_fds(self._sock, MAX_BYTES + 1, max_fds)
            except BlockingIOError:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise ChannelTimeoutError from None
                select.select([self._sock], [], [], min(left, 1.0))
                continue
            except OSError as error:
                raise ChannelClosedError(str(error)) from None
            if not data:
                raise ChannelClosedError("closed")
            if len(data) > MAX_BYTES or flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
                _close_all(fds)
                raise ProtocolError("more than a message may hold")
            try:
                return parse(data), fds
            except ProtocolError:
                _close_all(fds)
                raise


def _close_all(fds: list[int]) -> None:
    for fd in fds:
        os.close(fd)


def parse(data: bytes) -> dict[str, Any]:
    """Return the object that `data` is, of finite depth and of text that has a UTF-8 form.

    Raises:
        ProtocolError: it is anything else.

    """
    try:
        text = data.decode("utf-8")
        message = json.loads(text)
        if _SURROGATE in text.lower():
            json.dumps(message, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"not JSON: {str(error)[:_SHOWN_CHARS]}") from None
    if not isinstance(message, dict):
        raise ProtocolError("not an object")
    if text.count("{") + text.count("[") > _MOST_DEPTH and _is_deep(message):
        raise ProtocolError(f"nested more than {_MOST_DEPTH} levels deep")
    return message


def _is_deep(message: Any) -> bool:
    level = [message]
    for _ in range(_MOST_DEPTH):
        inner = (
            one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list)
        )
        level = [value for values in inner for value in values]
        if not level:
            return False
    return True


def new_nonce() -> str:
    """Return 16 random bytes in hexadecimal."""
    return secrets.token_hex(16)
