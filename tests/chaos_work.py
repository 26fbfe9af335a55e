"""A batch of tiny candidates, and a command that judges it while it is killed in every way."""

from __future__ import annotations

import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from judge_work import HONEST, candidate, command_of, problem_folder, processes_of, until

CALL = "import sys; sys.argv[0] = 'kernel-harness'; from harness.cli import main; main()"
KINDS = (
    (HONEST, "passed"),
    (candidate("return run(x, 7.0)"), "incorrect: values"),
    (candidate("return None"), "incorrect: type"),
    (candidate("raise ValueError(x)"), "failed: run"),
    ("def f(:", "failed: parse"),
    (candidate("import os; os._exit(3)"), "failed: crash"),
)
STORE = "kernel-harness.db"


class Batch:
    """Candidates in a file, the command that judges them, and what it has said so far."""

    def __init__(self, place, count, *words, pad=0):
        """`pad` bytes of comment make each text larger."""
        problem_folder(place / "affine")
        self.place, self.count, self.words = place, count, words
        self.expected = {}
        """Outcome by file, as it was made to be."""
        lines = []
        for number in range(count):
            code, outcome = KINDS[number % len(KINDS)]
            # A name of its own, so that no candidate is the twin of another.
            text = f"{code}\n# {'x' * pad}\nnumber_{number} = {number}\n"
            lines.append(json.dumps({"problem": "affine", "model": "m", "sample": number, "code": text}))
            self.expected[f"all.jsonl#{number + 1}"] = outcome
        (place / "all.jsonl").write_text("\n".join(lines) + "\n")
        self.judged = []
        """Files whose verdict was printed as a new one."""
        self.outcomes = {}

    def start(self, *, most_file_bytes=None):
        """Start the command; `most_file_bytes` is where its disk is full."""
        paths = os.pathsep.join([str(Path(__file__).parent.parent), os.environ.get("PYTHONPATH", "")])
        words = ["eval", "all.jsonl", "--json", "--rules", "off", "--memory-gb", "0.8", *self.words]
        # Files, since nobody reads while it is under fire, and a pipe would be full.
        with (self.place / "said.txt").open("a") as said, (self.place / "printed.txt").open("w") as printed:
            process = subprocess.Popen(
                [sys.executable, "-c", CALL, *words], cwd=self.place, text=True,
                env=os.environ | {"PYTHONPATH": paths}, stdout=printed, stderr=said,
            )  # fmt: skip
        if most_file_bytes is not None:
            limits = (most_file_bytes, resource.RLIM_INFINITY)
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, limits)
        return process

    def finish(self, process, *codes):
        """Read the rest of what it prints, wait for its end, and keep what it said of each candidate."""
        process.wait(600)
        for text in (self.place / "printed.txt").read_text().splitlines():
            # Who is killed may be so in the middle of a line.
            if text.startswith("{") and text.endswith("}"):
                self._note(json.loads(text))
        said = (self.place / "said.txt").read_text()
        assert process.returncode in codes, (process.returncode, said)
        assert "this is a bug of kernel-harness" not in said, said
        return process.returncode

    def _note(self, line):
        kind = line["reason"] or line["phase"]
        if line["status"] == "error":
            return
        outcome = line["status"] + (f": {kind}" if kind else "")
        assert self.outcomes.setdefault(line["file"], outcome) == outcome
        if not line["cached"]:
            self.judged.append(line["file"])

    def verdicts(self):
        """How many verdicts the store holds."""
        path = self.place / STORE
        if not path.exists():
            return 0
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as store:
            try:
                return store.execute("SELECT count(*) FROM verdicts").fetchone()[0]
            except sqlite3.OperationalError:
                return 0

    def wait_for(self, process, count):
        """Wait until the store holds so many verdicts; say whether the command still runs then."""
        assert until(lambda: self.verdicts() >= count or process.poll() is not None, 300)
        return process.poll() is None

    def check(self):
        """Every verdict once, and every one as it was made to be."""
        assert self.outcomes == self.expected
        assert len(self.judged) == len(set(self.judged))
        with closing(sqlite3.connect(self.place / STORE)) as store:
            assert store.execute("pragma integrity_check").fetchone() == ("ok",)
            (attempts,) = store.execute("SELECT count(*) FROM attempts WHERE verdict IS NOT NULL").fetchone()
            (verdicts,) = store.execute("SELECT count(*) FROM verdicts").fetchone()
            (replies,) = store.execute("SELECT count(*) FROM replies").fetchone()
        assert (attempts, verdicts, replies) == (self.count,) * 3


def below(process, what, chance):
    """Return one process below the command of the kind ``runner``, ``parent`` (of runners) or ``judge``."""
    tree = processes_of(process.pid)
    parents = [pid for pid in tree if "eval.runner.zygote" in command_of(pid)]
    if what == "judge":
        found = [pid for pid in tree if "-m eval.judge" in command_of(pid)]
    elif what == "parent":
        found = [pid for pid in parents if parent_of(pid) not in parents]
    else:
        found = [pid for pid in parents if parent_of(pid) in parents]
    return chance.choice(found) if found else None


def parent_of(pid):
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def strike(process, what, chance):
    """Kill one process of that kind where there is one now."""
    victim = below(process, what, chance)
    if victim is None:
        return
    try:
        os.kill(victim, signal.SIGKILL)
    except ProcessLookupError:
        return


NO_SLOT_LEFT = 4
"""Exit code of a command whose slots were all struck three times without a verdict in between."""


def judge_under_fire(batch, chance, plan, hit=strike):
    """Judge the batch to its end while `plan`, kinds of victims in order, is carried out by `hit`."""
    waiting, process = list(plan), batch.start()
    step = max(1, batch.count // (len(waiting) + 1))
    enough = step
    while waiting and batch.wait_for(process, enough):
        victim = waiting.pop(0)
        # At least three verdicts between two strikes, so that none hits a candidate's second try.
        enough = batch.verdicts() + max(3, chance.randint(step // 2, step))
        if victim in {"driver", "Ctrl-C"}:
            process.send_signal(signal.SIGKILL if victim == "driver" else signal.SIGINT)
            batch.finish(process, -signal.SIGKILL, 130, 0, 1)
            process = batch.start()
        else:
            hit(process, victim, chance)
    while batch.finish(process, 1, NO_SLOT_LEFT) == NO_SLOT_LEFT:
        process = batch.start()
    return waiting
