"""Where a server of ours listens, and under which names it may be asked."""

from __future__ import annotations

import socket

from harness.errors import EnvironmentFailure

_LOOPBACK = ["127.0.0.1", "localhost", "[::1]"]


def is_loopback(host: str) -> bool:
    """Tell whether nobody beyond this machine reaches that address."""
    return host in {"127.0.0.1", "::1", "localhost"}


def names_of(host: str) -> list[str]:
    """Return the names under which a browser may ask for it; beyond loopback every name."""
    return [*_LOOPBACK, _shown(host)] if is_loopback(host) else ["*"]


def listen(host: str, port: int) -> tuple[socket.socket, str]:
    """Return the open socket and the URL of its root; port 0 takes any free one.

    Raises `EnvironmentFailure`: the address or the port is not ours to take.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=64)
    except OSError as error:
        raise EnvironmentFailure(
            f"cannot listen at {host} port {port}: {error.strerror}; give another with --host or --port"
        ) from error
    return listener, f"http://{_shown(host)}:{listener.getsockname()[1]}/"


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
