"""Load on `serve-judge`: many clients at once, every candidate another, none lost, none doubled, memory flat.

    python bench/serve_judge.py --clients 200 --requests 2000 --jobs 2

Starts the server on this machine's CPU with a tiny problem (x * factor + 1 on a few elements), so that the
server, its queue and the start of a runner are measured, not a kernel. Every request has a candidate of its
own, which really runs: the server keeps no verdicts, and a constant in each differs in its meaning. Every
second one is wrong on purpose, and its verdict must say so. Prints one JSON object; exits with 1 if anything
is amiss.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from hashlib import sha256
from http.client import HTTPException
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from judge_work import candidate, problem_folder, processes_of  # noqa: E402

CALL = "import sys; sys.argv[0] = 'kernel-harness'; from harness.cli import main; main()"
MOST_TRIES, PAUSE_S = 100_000, 1.0


def code_of(number: int) -> str:
    """Return the code of one request; an odd one adds its number, so that its values are wrong."""
    extra = number if number % 2 else 0
    return candidate(f"number = {number}\nreturn run(x, self.factor + {extra} + 0 * number)")


class Load:
    """What the clients share."""

    def __init__(self, url: str, requests: int) -> None:
        self.url, self.left, self.lock = url, list(range(requests)), threading.Lock()
        self.answers, self.turned_away, self.lost, self.seconds = {}, 0, [], []
        self.doubled = 0

    def client(self) -> None:
        while True:
            with self.lock:
                if not self.left:
                    return
                number = self.left.pop()
            began = time.monotonic()
            try:
                answer = self.asked(number)
            except (OSError, HTTPException, ValueError) as error:
                with self.lock:
                    self.lost.append(f"{number}: {error!r}")
                continue
            with self.lock:
                self.doubled += number in self.answers
                self.answers[number] = answer
                self.seconds.append(time.monotonic() - began)

    def asked(self, number: int) -> dict[str, Any]:
        question = {"problem": "affine", "code": code_of(number), "rules": "off"}
        body = json.dumps(question).encode()
        for _ in range(MOST_TRIES):
            request = urllib.request.Request(
                self.url + "v1/evaluate", body, {"Content-Type": "application/json"}
            )
            try:
                with urllib.request.urlopen(request, timeout=600) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as error:
                if error.code != 429:
                    raise
                with self.lock:
                    self.turned_away += 1
                # Not all at once: the time that the server names, and up to as much again.
                time.sleep(float(error.headers["Retry-After"]) * (1 + number % 100 / 100))
        raise ValueError("turned away too often")

    def faults(self) -> Iterator[str]:
        """Return what is amiss with the answers."""
        for number, answer in self.answers.items():
            verdict = answer["verdict"]
            expected = "incorrect" if number % 2 else "passed"
            if answer["candidate_hash"] != sha256(code_of(number).encode()).hexdigest():
                yield f"{number}: the verdict is of another candidate"
            if verdict["status"] != expected:
                yield f"{number}: {verdict['status']}, expected {expected}: {verdict['detail']}"


def memory_mb(pid: int) -> float:
    """Return resident memory of a process, in 1e6 bytes."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmRSS")), 0.0)


def health(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url + "health", timeout=60) as answer:
        return json.load(answer)


def measured(url: str, pid: int, options: argparse.Namespace) -> tuple[dict[str, Any], bool]:
    """Put the load on and return what came of it."""
    load = Load(url, options.requests)
    threads = [threading.Thread(target=load.client, daemon=True) for _ in range(options.clients)]
    began, samples, most_held, bound = time.monotonic(), [], 0, 0
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        time.sleep(PAUSE_S)
        state = health(url)
        most_held, bound = max(most_held, state["held"]), state["bound"]
        below = processes_of(pid)
        samples.append((len(load.answers), memory_mb(pid), sum(map(memory_mb, below)), len(below)))
    seconds = time.monotonic() - began
    judged = sum(slot["judged"] for slot in health(url)["slots"])
    faults = [*load.lost, *load.faults()]
    quarters = (
        [samples[len(samples) * part // 4 - 1] for part in (1, 2, 3, 4)] if len(samples) >= 4 else samples
    )
    return {
        "clients": options.clients, "requests": options.requests, "jobs": options.jobs,
        "seconds": round(seconds, 1), "verdicts": len(load.answers), "judged_by_the_server": judged,
        "lost": len(load.lost), "doubled": load.doubled, "turned_away_429": load.turned_away,
        "most_held": most_held, "bound": bound, "per_second": round(len(load.answers) / seconds, 2),
        "latency_s": {
            "median": round(statistics.median(load.seconds), 1), "most": round(max(load.seconds), 1)
        },
        "at_each_quarter": [
            {"answered": done, "server_mb": round(own), "all_processes_mb": round(whole), "processes": many}
            for done, own, whole, many in quarters
        ],
        "faults": faults[:20],
    }, not faults and judged == options.requests == len(load.answers) and most_held <= bound  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--waiting", type=int, default=64)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        problem_folder(Path(folder) / "affine")
        words = ["--jobs", str(options.jobs), "--waiting", str(options.waiting), "--problem", "affine"]
        with subprocess.Popen(
            [sys.executable, "-c", CALL, "serve-judge", "--port", "0", "--device", "cpu", *words],
            cwd=folder, text=True, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(ROOT)},
        ) as process:  # fmt: skip
            url = process.stdout.readline().strip()
            found, fine = measured(url, process.pid, options)
            process.terminate()
    print(json.dumps(found, indent=2))
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    main()
