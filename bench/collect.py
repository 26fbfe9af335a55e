"""Requests per second and memory of the collector, beside a bare loop over `AsyncOpenAI` in the same run.

    python bench/collect.py [--calls 1000] [--delay 0.2] [--repeats 3]

Each number comes from a process of its own against the server of examples/misbehaving_server.py,
which behaves well here and answers after `--delay` seconds; collector and loop take turns. Memory is
the most that the process held. Prints a Markdown table: the median of the repeats, and their range.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

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


def most_held_mb() -> float:
    """Return the most memory that this process held; getrusage would begin with that of its parent."""
    words = Path("/proc/self/status").read_text().split()
    return int(words[words.index("VmHWM:") + 1]) / 1024


def child(name: str, url: str, in_flight: int, calls: int) -> None:
    start, spent = time.perf_counter(), time.process_time()
    assert {"collector": ours, "bare": bare}[name](url, in_flight, calls) == calls
    seconds, cpu = time.perf_counter() - start, time.process_time() - spent
    print(json.dumps({"per_s": calls / seconds, "cpu_ms": 1000 * cpu / calls, "mb": most_held_mb()}))


def measure(name: str, url: str, in_flight: int, calls: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--child", name, url, str(in_flight), str(calls)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def shown(runs: list[dict[str, float]], name: str, digits: int = 0) -> str:
    values = sorted(run[name] for run in runs)
    return f"{median(values):.{digits}f} ({values[0]:.{digits}f} to {values[-1]:.{digits}f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--calls", type=int, default=1000, help="calls at each number in flight above 1")
    parser.add_argument("--delay", type=float, default=0.2, help="seconds before the server answers")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        name, url, in_flight, calls = options.child
        child(name, url, int(in_flight), int(calls))
        return
    command = [sys.executable, str(SERVER), "--delay", str(options.delay)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            url = server.stdout.readline().strip()
            table(url, options.calls, options.repeats)
        finally:
            server.kill()


def table(url: str, calls: int, repeats: int) -> None:
    print(f"load average before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; {repeats} repeats\n")
    print("| in flight | who | requests a second | CPU, ms a request | memory, MB |")
    print("| --- | --- | --- | --- | --- |")
    for in_flight in IN_FLIGHT:
        number = calls if in_flight > 1 else max(10, calls // 50)
        runs: dict[str, list[dict[str, float]]] = {"collector": [], "bare": []}
        for _ in range(repeats):
            for name, seen in runs.items():
                seen.append(measure(name, url, in_flight, number))
        for name, seen in runs.items():
            parts = shown(seen, "per_s", 1), shown(seen, "cpu_ms", 1), shown(seen, "mb")
            print(f"| {in_flight} | {name} | {' | '.join(parts)} |", flush=True)
    print(f"\nload average after: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
