"""``kernel-harness serve``: the report of a store as a live page."""

from __future__ import annotations

import socket
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from harness.errors import EnvironmentFailure
from harness.store import Store

_LOOPBACK = ["127.0.0.1", "localhost", "[::1]"]


def command(
    store: Annotated[Path, typer.Option(help="The store.")] = Path("kernel-harness.db"),
    host: Annotated[
        str, typer.Option(help="Address to listen at; beyond loopback everybody can read.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any free one.")] = 8321,
) -> None:
    """Serve the store as a web page until interrupted; it is never written."""
    missing = [name for name in ("starlette", "uvicorn") if find_spec(name) is None]
    if missing:
        raise EnvironmentFailure(f"serve needs {', '.join(missing)}: pip install 'kernel-harness[serve]'")
    # A store that is not there or not ours is said now, not in the browser.
    Store(store, read_only=True).close()
    import uvicorn

    from harness.serve.app import make_app

    listener = _listen(host, port)
    shown = f"[{host}]" if ":" in host else host
    sys.stdout.write(f"http://{shown}:{listener.getsockname()[1]}/\n")
    sys.stdout.flush()
    hosts = [*_LOOPBACK, shown] if host in {"127.0.0.1", "::1", "localhost"} else ["*"]
    config = uvicorn.Config(make_app(store, hosts), log_level="warning", timeout_graceful_shutdown=1)
    uvicorn.Server(config).run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=64
        )
    except OSError as error:
        raise EnvironmentFailure(
            f"cannot listen at {host} port {port}: {error.strerror}; give another with --host or --port"
        ) from error
