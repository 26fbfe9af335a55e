"""Requests per second and memory of the collector, beside a bare loop over `AsyncOpenAI` in the same run.

    python bench/collect.py [--calls 1000] [--delay 0.2]

Each number comes from a process of its own against the server of examples/misbehaving_server.py,
which behaves well here and answers after `--delay` seconds. Memory is the most that the process held.
"""

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

IN_FLIGHT = (1, 32, 256, 500)
SERVER = Path(__file__).parent.parent / "examples" / "misbehaving_server.py"
TEXT = "make it fast " * 400


def ours(url: str, in_flight: int, calls: int) -> int:
    from harness.llm import ModelSpec, collect
    from harness.records import Prompt
    from harness.store import Store

    prompt = Prompt(hash="p", text=TEXT, problem="cumsum_exclusive", stage="s", gpu="g")
    spec = ModelSpec(model="m", base_url=url, concurrency=in_flight)
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "s.db") as store:
        return sum(
            outcome.kind == "received"
            for outcome in collect([prompt], spec, range(calls), store, store.start_run("bench"))
        )


def bare(url: str, in_flight: int, calls: int) -> int:
    from openai import AsyncOpenAI

    async def ask(client: AsyncOpenAI, turns: Iterator[int]) -> int:
        done = 0
        for _ in turns:
            stream = await client.chat.completions.create(
                model="m",
                messages=[{"role": "user", "content": TEXT}],
                stream=True,
                stream_options={"include_usage": True},
            )
            text = "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])
            done += bool(text)
        return done

    async def run() -> int:
        turns = iter(range(calls))
        async with AsyncOpenAI(base_url=url, api_key="none") as client:
            return sum(await asyncio.gather(*(ask(client, turns) for _ in range(in_flight))))

    return asyncio.run(run())


def child(name: str, url: str, in_flight: int, calls: int) -> None:
    start = time.perf_counter()
    assert {"collector": ours, "bare": bare}[name](url, in_flight, calls) == calls
    seconds = time.perf_counter() - start
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"per_s": calls / seconds, "mb": peak_mb}))


def measure(name: str, url: str, in_flight: int, calls: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--child", name, url, str(in_flight), str(calls)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--calls", type=int, default=1000, help="calls at each number in flight above 1")
    parser.add_argument("--delay", type=float, default=0.2, help="seconds before the server answers")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        name, url, in_flight, calls = options.child
        child(name, url, int(in_flight), int(calls))
        return
    command = [sys.executable, str(SERVER), "--delay", str(options.delay)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        url = server.stdout.readline().strip()
        print("in flight   collector /s   bare /s   collector MB   bare MB")
        for in_flight in IN_FLIGHT:
            calls = options.calls if in_flight > 1 else max(10, options.calls // 50)
            mine, other = (measure(name, url, in_flight, calls) for name in ("collector", "bare"))
            print(
                f"{in_flight:9}   {mine['per_s']:12.1f}   {other['per_s']:7.1f}"
                f"   {mine['mb']:12.0f}   {other['mb']:7.0f}",
                flush=True,
            )
        server.kill()


if __name__ == "__main__":
    main()
