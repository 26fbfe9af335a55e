"""Hostile candidates in real runners: each gets its verdict in time, and the next one is judged as ever."""

import random
import re
import textwrap
from pathlib import Path

import pytest
from judge_work import (
    HONEST,
    LIMITS,
    candidate,
    ended,
    exists,
    job,
    processes_of,
    runners_with,
    until,
    zygotes_of,
)

LIMITS_FOR = {
    "failed: timeout": LIMITS.model_copy(update={"call_seconds": 1, "seconds": 12}),
    "failed: memory": LIMITS.model_copy(update={"host_memory_gb": 0.5}),
}
RIGHT = "y = run(x, self.factor)"
DONE = f"{RIGHT}\nreturn y"
FOR_EVER = "while True: pass"


@pytest.fixture(autouse=True)
def the_judge_lives_on(judge):
    judge.evaluate(job("x ="))
    process = judge._process
    yield
    assert judge._process is process
    assert process.poll() is None


def survivors(judge):
    """Processes of candidates that are still there, below the judge or wherever they went."""
    own = {judge._process.pid, *zygotes(judge)}
    homes = [variable(pid, "HOME") for pid in own - {judge._process.pid}]
    found = set(processes_of(judge._process.pid)).union(*map(runners_with, homes)) - own
    return {pid for pid in found if not until(lambda pid=pid: not exists(pid), 2)}


def zygotes(judge):
    """Zygotes are the judge's children; runners, which look like them, are their children."""
    return [pid for pid in zygotes_of(judge._process.pid) if parent(pid) == judge._process.pid]


def parent(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def variable(pid, name):
    items = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    return next(item for item in items if item.startswith(f"{name}="))


def as_message(change):
    """Top of a candidate that changes what its runner says, from the first call on."""
    return f"""
import eval.protocol as protocol
plain = protocol.Channel.send
def lie(self, message, *rest, **more):
    message = dict(message)
{textwrap.indent(change, "    ")}
    return plain(self, message, *rest, **more)
def start_lying():
    protocol.Channel.send = lie
"""


def lying(change):
    return {"top": as_message(change), "forward": f"start_lying()\n{DONE}"}


LOOPS = {
    "while importing": {"top": FOR_EVER},
    "while constructing": {"init": FOR_EVER},
    "in a call": {"forward": FOR_EVER},
    "in a kernel": {"kernel": "i = i\nwhile True:\n    i = i + 0"},
    "in C": {"forward": "import re\nre.match('(a+)+$', 'a' * 64 + 'b')"},
    "asleep": {"forward": "import time\ntime.sleep(1000)"},
    "waiting for input": {"forward": "import threading\nthreading.Event().wait()"},
    "deaf to signals": {
        "forward": (
            "import signal, time\n"
            "for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:\n"
            "    signal.signal(number, signal.SIG_IGN)\n"
            "while True: time.sleep(1)"
        )
    },
    "catching everything": {
        "forward": "while True:\n    try:\n        while True: pass\n    except BaseException: pass"
    },
    "in the text of an exception": {
        "forward": "class E(Exception):\n    def __str__(self):\n        while True: pass\nraise E"
    },
    "stopped": {"forward": "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)\nwhile True: pass"},
    "while printing": {"forward": "while True: print('x' * 1000)"},
    "while writing to stderr": {"forward": "import os\nwhile True: os.write(2, b'x' * 65536)"},
    "while another thread answers nothing": {
        "forward": (
            "import threading\nt = threading.Thread(target=lambda: [0 for _ in iter(int, 1)])\n"
            "t.start()\nt.join()"
        )
    },
}
MEMORY = {
    "in Python": {"forward": "kept = []\nwhile True: kept.append(bytearray(b'x') * (1 << 24))"},
    "in torch": {"forward": "kept = []\nwhile True: kept.append(torch.ones(1 << 22))"},
    "at once": {"forward": "torch.ones(1 << 40)"},
    "while importing": {"top": "kept = []\nwhile True: kept.append(' ' * (1 << 24))"},
    "raised by itself": {"forward": "raise MemoryError"},
}
DEATHS = {
    "an exit": {"forward": "import os\nos._exit(0)"},
    "an exit while importing": {"top": "import os\nos._exit(0)"},
    "an exit while constructing": {"init": "import os\nos._exit(7)"},
    "a segfault": {"forward": "import ctypes\nctypes.string_at(0)"},
    "an abort": {"forward": "import os\nos.abort()"},
    "a closed channel": {"forward": "import os\nos.closerange(0, 1000)\nimport time\ntime.sleep(100)"},
    "a closed channel while importing": {"top": "import os\nos.closerange(3, 1000)"},
    "memory that is cut short": {
        "forward": (
            "import os\nfor fd in range(3, 64):\n    try: os.ftruncate(fd, 0)\n    except OSError: pass\n"
            "os._exit(0)"
        )
    },
    "its memory unmapped": {
        "forward": (
            "import ctypes\nlibc = ctypes.CDLL(None)\n"
            f"libc.munmap(ctypes.c_void_p(x.data_ptr() & ~4095), 4096)\n{DONE}"
        )
    },
}  # fmt: skip
ODD_ERRORS = {
    "whose text raises": "class E(Exception):\n    def __str__(self): raise RuntimeError\nraise E",
    "whose text exits": "class E(Exception):\n    def __str__(self): raise SystemExit\nraise E",
    "whose text is no text": "class E(Exception):\n    def __str__(self): return 7\nraise E",
    "of half a pair": "raise ValueError('\\ud800')",
    "of ten megabytes": "raise ValueError('x' * 10**7)",
    "that causes itself": "e = ValueError('a')\ne.__cause__ = e\nraise e",
    "without end": "def f(): f()\nf()",
    "named by half a pair": "raise type('E\\ud800', (Exception,), {})('x')",
    "from a file that is too long": "with open('f', 'wb') as f:\n    while True: f.write(b'x' * (1 << 20))",
}
CHANNEL = "import os\nfor fd in range(3, 64):\n    try: os.write(fd, {data})\n    except OSError: pass\n"
TAMPERING = {
    "garbage": {"forward": CHANNEL.format(data="b'\\xff garbage'") + DONE},
    "a verdict": {"forward": CHANNEL.format(data='b\'{"status": "passed"}\'') + DONE},
    "an answer without a nonce": {"forward": CHANNEL.format(data="b'{}'") + DONE},
    "a huge message": {"forward": CHANNEL.format(data="b'x' * 100_000") + DONE},
    "a deep message": {"forward": CHANNEL.format(data="b'{\"a\":' * 5000") + DONE},
    "a thousand messages": {
        "forward": "for _ in range(99):\n" + textwrap.indent(CHANNEL.format(data="b'{}'"), "    ") + DONE
    },
    "descriptors": {
        "forward": (
            "import os, socket\nfor fd in range(3, 64):\n"
            "    try: socket.send_fds(socket.socket(fileno=os.dup(fd)), [b'{}'], [0, 1, 2])\n"
            "    except OSError: pass\n" + DONE
        )
    },
    "another nonce": lying("message['nonce'] = '0' * 32"),
    "no nonce": lying("message.pop('nonce', None)"),
    "a nonce of another kind": lying("message['nonce'] = [1]"),
    "an error of no kind": lying("message = {'nonce': message['nonce'], 'error': 7}"),
    "an unknown phase": lying(
        "message = {'nonce': message['nonce'],"
        " 'error': {'phase': 'passed', 'type': 'E', 'message': '', 'line': 1}}"
    ),
    "a verdict in an answer": lying("message['status'] = 'passed'"),
    "no outputs": lying("message.pop('outputs', None)"),
    "outputs of no kind": lying("message['outputs'] = 7"),
    "a shape of no kind": lying("for o in message.get('outputs', []): o['shape'] = 5"),
    "a negative size": lying("for o in message.get('outputs', []): o['shape'] = [-1, 5]"),
    "a size that is a bool": lying("for o in message.get('outputs', []): o['shape'] = [True, 5]"),
    "an endless size": lying("for o in message.get('outputs', []): o['shape'] = [10**30]"),
    "an offset outside": lying("for o in message.get('outputs', []): o['offset'] = 1 << 40"),
    "an offset that is not aligned": lying("for o in message.get('outputs', []): o['offset'] += 1"),
    "no offset": lying("for o in message.get('outputs', []): o.pop('offset')"),
    "too large": lying("for o in message.get('outputs', []): o['stride'] = [1 << 40, 1 << 40]"),
    "facts of no kind": lying("if 'facts' in message: message['facts']['live'] = 'all'"),
    "no facts": lying("message.pop('facts', None)"),
    "blocks of no kind": lying("if 'facts' in message: message['facts']['live'] = [[1]]"),
    "blocks below zero": lying("if 'facts' in message: message['facts']['live'] = [[-5, 10]]"),
    "launches below zero": lying("if 'facts' in message: message['facts']['launched'] = {'k': -1}"),
    "a time that nobody asked for": lying("if 'types' in message: message['ms'] = 3.0"),
    "a size that is neither": lying("if 'types' in message: message['too_large'] = 'no'"),
    "half a pair in a type": lying("if 'types' in message: message['types'] = ['\\ud800']"),
    "a long type": lying("if 'types' in message: message['types'] = ['x' * 9000]"),
    "JSON replaced": {"top": 'import json\njson.dumps = lambda *a, **k: \'{"status": "passed"}\''},
    "a fork that answers too": {"forward": f"import os\n{RIGHT}\nos.fork()\nreturn y"},
}
HARMLESS = {
    "much printing": {"forward": f"print('x' * 3_000_000, flush=True)\n{DONE}"},
    "broken text printed": {"forward": f"import os\nos.write(1, b'\\xff\\xfe')\n{DONE}"},
    "its descriptors 0 to 2 closed": {"top": "import os\nfor fd in (0, 1, 2): os.close(fd)"},
    "orphans": {
        "forward": (
            f"import os, time\n{RIGHT}\nif os.fork() == 0:\n    os.closerange(3, 99)\n    try: os.setsid()\n"
            "    except OSError: pass\n    if os.fork() == 0: time.sleep(1000)\n    os._exit(0)\nreturn y"
        )
    },
    "threads": {"init": "import threading as t\nfor _ in range(20): t.Thread(target=t.Event().wait).start()"},
    "handlers at exit": {"top": "import atexit, time\natexit.register(time.sleep, 1000)"},
    "signals to everybody": {
        "forward": (
            "import os, signal\nfor pid in (os.getppid(), 1, *range(2, 300)):\n"
            "    if pid not in (0, os.getpid()):\n        try: os.kill(pid, signal.SIGTERM)\n"
            f"        except OSError: pass\n{DONE}"
        )
    },
    "the garbage collector off": {"top": "import gc\ngc.disable()\ngc.freeze()"},
    "everything traced": {"top": "import sys\nsys.settrace(lambda *a: None)"},
    "its files removed": {"init": "import os, shutil\nshutil.rmtree(os.getcwd(), ignore_errors=True)"},
    "its standard streams closed": {"top": "import sys\nsys.stdout.close()\nsys.stderr.close()"},
    "other clocks": {"top": "import time\ntime.monotonic = time.time = time.perf_counter = lambda: 0.0"},
}
OUTCOMES = {
    "failed: timeout": LOOPS,
    "failed: memory": MEMORY,
    "failed: crash": DEATHS,
    "failed: run": {name: {"forward": text} for name, text in ODD_ERRORS.items()},
    "rejected: tampering": TAMPERING,
    "passed": HARMLESS,
}


def in_time(verdict, limits=LIMITS):
    """Tell whether a verdict came within the limits plus two seconds."""
    return verdict.seconds <= limits.seconds + 2


@pytest.mark.parametrize(
    ("outcome", "parts"),
    [
        pytest.param(o, parts, id=f"{o}: {name}")
        for o, table in OUTCOMES.items()
        for name, parts in table.items()
    ],
)
def test_hostile_behaviour_is_a_verdict(judge, outcome, parts):
    limits = LIMITS_FOR.get(outcome, LIMITS)
    verdict = judge.evaluate(job(candidate(**parts), limits=limits, audits=False))
    assert ended(verdict) == outcome, verdict.detail
    assert in_time(verdict, limits)
    assert len(verdict.detail or "") <= 4000
    assert len(verdict.output or "") <= LIMITS.output_bytes + 100
    assert not survivors(judge)
    assert ended(judge.evaluate(job(HONEST, audits=False))) == "passed"


def test_a_fork_bomb_is_bounded(judge):
    limits = LIMITS_FOR["failed: timeout"]
    verdict = judge.evaluate(job(candidate("import os\nwhile True: os.fork()"), limits=limits, audits=False))
    assert verdict.status in {"failed", "rejected"}
    assert in_time(verdict, limits)
    assert not survivors(judge)
    assert ended(judge.evaluate(job(HONEST, audits=False))) == "passed"


def test_output_is_cut_and_says_so(judge):
    verdict = judge.evaluate(job(candidate(f"print('x' * 1_000_000)\n{DONE}"), audits=False))
    assert verdict.output.startswith("x" * LIMITS.output_bytes)
    assert "cut after" in verdict.output


def test_the_scratch_folder_is_bounded_and_on_no_disk(judge):
    code = candidate("import os\ns = os.statvfs('.')\nraise ValueError(s.f_blocks * s.f_frsize)")
    verdict = judge.evaluate(job(code, audits=False))
    if "private_scratch" in verdict.guarantees.missing:
        pytest.skip("no mount namespace here: the judge watches the folder instead")
    assert "ValueError: 1073741824" in verdict.detail


def test_hostile_variants_do_not_take_a_pass_away(judge):
    code = candidate(
        "import os\nif x.dtype is torch.float64:\n    while True: pass\nreturn run(x, self.factor)"
    )
    verdict = judge.evaluate(job(code, limits=LIMITS_FOR["failed: timeout"], audits=False))
    assert (verdict.status, verdict.robust) == ("passed", False)
    assert in_time(verdict, LIMITS_FOR["failed: timeout"])


def test_honest_verdicts_are_the_same_whatever_came_before(judge):
    """Honest and hostile candidates in turn: what the honest ones get does not change."""
    hostile = [DEATHS["a segfault"], TAMPERING["garbage"], HARMLESS["orphans"], MEMORY["in torch"]]
    honest = [
        HONEST,
        candidate("return run(x, self.factor) * 1"),
        candidate("y = run(x, self.factor)\nreturn y[:-1]"),
    ]
    alone = [ended(judge.evaluate(job(code))) for code in honest]
    for parts in hostile:
        judge.evaluate(job(candidate(**parts)))
        assert [ended(judge.evaluate(job(code))) for code in honest] == alone
    assert alone == ["passed", "rejected: library_compute", "incorrect: shape"]


HONEST_PARTS = (
    {},
    {"forward": "return run(x, self.factor) * 1"},
    {"forward": "y = run(x, self.factor)\nreturn y[:-1]"},
    {"forward": "return run(x, self.factor + 1e-3)"},
    {"forward": "return run(x, self.factor).double()"},
    {"forward": "x.add_(0.5)\nreturn run(x - 0.5, self.factor)"},
    {"forward": "return x"},
    {"forward": "return run(x.t().contiguous(), self.factor).t()"},
    {"init": "self.table = torch.ones(8)"},
    {"kernel": "i = i + 0"},
    {"kernel": "mask = i < n - 1"},
    {"kernel": "i = i + nothing"},
    {"forward": "raise ValueError('not this shape') if x.shape[0] > 3 else 0\nreturn run(x, self.factor)"},
    {"top": "import a_module_that_is_not_there"},
    {"forward": "return [run(x, self.factor)]"},
)
MANY = 50
DRAWN = r"case [^,:]+|\w+ contents|[-+.\d]+(e[-+]\d+)?|nan"
"""What differs from one time to the next in a verdict on the same candidate."""


def told(verdict):
    """All of a verdict that the candidate decides: neither times nor which case and contents came first."""
    said = verdict.model_dump(exclude={"seconds", "environment"})
    return said | {"detail": re.sub(DRAWN, "#", said["detail"] or "")}


@pytest.mark.slow
def test_fifty_honest_verdicts_stay_what_they_are_among_fifty_hostile_candidates(judge):
    order = random.Random(3)
    blocks = [parts | {"top": f"# {n}"} if "top" not in parts else parts
              for n, parts in zip(range(MANY), HONEST_PARTS * MANY, strict=False)]  # fmt: skip
    honest = [candidate(**parts) for parts in blocks]
    alone = [told(judge.evaluate(job(code))) for code in honest]
    hostile = [(o, parts) for o, table in OUTCOMES.items() for parts in table.values()]
    mixed = [*enumerate(honest), *((None, picked) for picked in order.sample(hostile, MANY))]
    order.shuffle(mixed)
    for place, what in mixed:
        if place is not None:
            assert told(judge.evaluate(job(what))) == alone[place]
            continue
        outcome, parts = what
        limits = LIMITS_FOR.get(outcome, LIMITS)
        verdict = judge.evaluate(job(candidate(**parts), limits=limits))
        assert in_time(verdict, limits)
        assert verdict.status != "passed" or outcome == "passed"
    assert len({each["status"] for each in alone}) == len(("passed", "incorrect", "rejected", "failed"))
