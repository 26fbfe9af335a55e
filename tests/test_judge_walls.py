"""What a candidate can learn and reach from inside of its runner: nothing that helps it."""

import json
import socket
import textwrap
from pathlib import Path

import pytest
from judge_work import HONEST, LIMITS, MARK, SECRET, candidate, ended, job

ROOT = Path(__file__).resolve().parent.parent
GENEROUS = LIMITS.model_copy(update={"call_seconds": 20, "seconds": 60, "output_bytes": 20_000})


def seen(judge, find):
    """What a candidate finds out in its first call: the value of `found`, by way of what it prints."""
    once = f"{find}\nimport json\nprint('FOUND', json.dumps(found), flush=True)"
    code = candidate(
        "if not done:\n    done.append(1)\n" + textwrap.indent(once, "    ") + "\nreturn run(x, self.factor)",
        top="done = []",
    )
    verdict = judge.evaluate(job(code, limits=GENEROUS, audits=False))
    lines = [line for line in (verdict.output or "").splitlines() if line.startswith("FOUND ")]
    assert lines, verdict.detail
    return json.loads(lines[0].removeprefix("FOUND "))


FILES = """
import os
found = []
for path in {paths!r}:
    try:
        with open(path, 'rb') as file: file.read(1)
        found.append(path)
    except OSError: pass
"""


def test_no_key_is_in_any_environment(judge):
    find = """
import os
texts = [str(dict(os.environ))]
for entry in ('self', *range(400)):
    try: texts.append(open(f'/proc/{entry}/environ', 'rb').read().decode())
    except OSError: pass
found = ' '.join(texts)
"""
    found = seen(judge, find)
    assert "TRITON" in found
    assert SECRET not in found
    assert not {"API_KEY", "TOKEN", "PASSWORD"} & set(found.replace("=", " ").replace("_", " ").split())


def test_our_files_cannot_be_read(judge):
    paths = [
        str(path)
        for name in ("eval", "harness", "prompts", "reference_solutions", "tests")
        for path in (ROOT / name).glob("**/*.*")
    ]
    assert len(paths) > 50
    assert seen(judge, FILES.format(paths=paths)) == []


def test_nothing_of_the_user_can_be_read(judge, tmp_path):
    own = tmp_path / "kernel-harness.db"
    own.write_text(SECRET)
    paths = [own, "/etc/shadow", "/etc/hostname", "/proc/1/cmdline", *Path.home().glob(".*")]
    found = seen(judge, FILES.format(paths=[str(path) for path in paths]))
    assert set(found) <= {"/proc/1/cmdline"}


def test_no_process_but_its_own_is_in_sight(judge):
    find = """
import os
found = [p for p in (os.getppid(), *range(1, 40_000)) if p and os.path.exists(f'/proc/{p}/status')]
found = [p for p in found if p != os.getpid()]
"""
    found = seen(judge, find)
    if "private_proc" in judge.evaluate(job(HONEST, audits=False)).guarantees.sandbox:
        assert found == []


def test_descriptors_are_the_channel_and_its_own_output(judge):
    find = """
import os
found = {}
for fd in os.listdir('/proc/self/fd'):
    try: found[fd] = os.readlink(f'/proc/self/fd/{fd}').split(':')[0]
    except OSError: pass
"""
    found = seen(judge, find)
    others = [name for name in found.values() if name not in {"/dev/null", "pipe", "socket", "/memfd"}]
    assert all(name.startswith("/proc/") for name in others)
    assert list(found.values()).count("socket") == 1
    assert list(found.values()).count("pipe") == 2


IN_MEMORY = """
mark, found = bytes(reversed({backwards!r})), []
for line in open('/proc/self/maps'):
    span, rights = line.split()[:2]
    low, high = (int(part, 16) for part in span.split('-'))
    if not rights.startswith('rw'): continue
    try:
        with open('/proc/self/mem', 'rb', buffering=0) as memory:
            memory.seek(low)
            data = memory.read(high - low)
    except (OSError, MemoryError): continue
    at = data.find(mark)
    while at >= 0:
        found += [line] if b'get_' + b'inputs' in data[at : at + 600] else []
        at = data.find(mark, at + 1)
"""
"""Where in memory the first words of the reference are followed by its others."""


def test_the_reference_is_nowhere_in_memory(judge):
    """The control first: the search finds the words where the candidate itself puts them together."""
    backwards = MARK.encode()[::-1]
    search = IN_MEMORY.format(backwards=backwards)
    together = f"kept = bytes(reversed({backwards!r})) + b' get_' + b'inputs'"
    assert seen(judge, f"{together}\n{search}")
    assert seen(judge, search) == []


def test_no_module_of_the_judge_is_loaded(judge):
    find = "import sys\nfound = [n for n in sys.modules if n.startswith(('eval.judge', 'harness'))]"
    assert seen(judge, find) == []


def test_frames_and_objects_hold_no_answer(judge):
    find = """
import gc, sys
names, frame = set(), sys._getframe()
while frame is not None:
    names |= {*frame.f_locals, *frame.f_globals}
    frame = frame.f_back
telling = ('expected', 'oracle', 'reference', 'tolerance')
found = sorted(n for n in names if any(word in n.lower() for word in telling))
right = x * self.factor + 1
for o in gc.get_objects():
    if type(o) is torch.Tensor and o is not right and o.shape == right.shape and torch.equal(o, right):
        found.append(list(o.shape))
"""
    assert seen(judge, find) == []


def test_shared_memory_holds_no_answer(judge):
    """What follows the inputs is poison, not the expected output."""
    find = """
base = x.untyped_storage()
whole = torch.tensor([], dtype=torch.uint8).set_(base).numpy().tobytes()
right = (x * self.factor + 1).contiguous().view(-1).view(torch.uint8).numpy().tobytes()
inputs = x.contiguous().view(-1).view(torch.uint8).numpy().tobytes()
found = [inputs in whole, right in whole, sorted(set(whole[-1000:]))]
"""
    assert seen(judge, find) == [True, False, [0xFF]]


def test_the_network_is_out_of_reach(judge):
    with socket.create_server(("127.0.0.1", 0)) as server:
        find = f"""
import socket
found = []
for family, address in ((socket.AF_INET, {server.getsockname()!r}), (socket.AF_UNIX, '\\0x')):
    try:
        s = socket.socket(family)
        s.connect(address)
        found.append(str(address))
    except OSError: pass
"""
        assert seen(judge, find) == []


LEAVE = """
import os, tempfile
found = []
own = os.environ['HOME'], os.environ['TRITON_CACHE_DIR'], tempfile.gettempdir()
for folder in ('.', '/dev/shm', '/tmp', *own):
    try:
        os.makedirs(folder, exist_ok=True)
        open(os.path.join(folder, 'left-by-another'), 'w').write('x')
        found.append(folder)
    except OSError: pass
torch.left_by_another = triton.left_by_another = os.left_by_another = True
os.environ['LEFT_BY_ANOTHER'] = '1'
"""
LOOK = """
import os
found = [getattr(m, 'left_by_another', None) for m in (torch, triton, os)]
found.append(os.environ.get('LEFT_BY_ANOTHER'))
for top in ('/tmp', '/dev/shm', os.path.dirname(os.getcwd())):
    for folder, _, files in os.walk(top):
        found += [os.path.join(folder, f) for f in files if f == 'left-by-another']
"""


def test_nothing_is_left_for_the_next(judge):
    assert seen(judge, LEAVE)
    assert seen(judge, LOOK) == [None] * 4


def test_contents_are_new_each_time(judge):
    """All elements of the first call; four times, since some kinds of contents start with zeros."""
    find = "found = [float(v) for v in x.flatten()]"
    assert len({json.dumps(seen(judge, find)) for _ in range(4)}) > 1


def test_a_sandbox_that_is_required_and_incomplete_is_our_failure_not_its_own(judge):
    verdict = judge.evaluate(job(HONEST, audits=False))
    if verdict.guarantees.missing:
        pytest.skip(f"this machine lacks {verdict.guarantees.missing}: see test_client")
    assert ended(judge.evaluate(job(HONEST, require_sandbox=True, audits=False))) == "passed"
