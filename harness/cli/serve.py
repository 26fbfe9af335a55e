"""``kernel-harness serve``: the report of a store as a live page."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.listening import listen, names_of
from harness.errors import EnvironmentFailure
from harness.store import Store


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

    listener, url = listen(host, port)
    sys.stdout.write(f"{url}\n")
    sys.stdout.flush()
    config = uvicorn.Config(make_app(store, names_of(host)), log_level="warning", timeout_graceful_shutdown=1)
    uvicorn.Server(config).run(sockets=[listener])
