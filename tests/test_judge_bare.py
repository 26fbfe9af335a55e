"""The judge where the kernel gives less: no control group, no memory of its own for scratch files.

Root without its powers stands for such a machine; what cannot be bounded is watched.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton", reason="needs the extra `eval`")
pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None, reason="needs root, to give its powers up"
)
TESTS = Path(__file__).resolve().parent
SCRIPT = f"""
import json, sys
sys.path[:0] = {[str(TESTS), str(TESTS.parent)]!r}
from judge_work import *
from eval import Judge, JudgeFailedError

def said(**parts):
    limits = LIMITS.model_copy(update=dict(call_seconds=10, seconds=30, host_memory_gb=0.5))
    verdict = judge.evaluate(job(candidate(**parts), limits=limits, audits=False))
    return [ended(verdict), verdict.detail, verdict.seconds]

with Judge("cpu") as judge:
    verdict = judge.evaluate(job(HONEST, audits=False))
    found = dict(honest=ended(verdict), missing=verdict.guarantees.missing, active=verdict.guarantees.sandbox)
    found["hog"] = said(forward="kept = []\\nwhile True: kept.append(bytearray(b'x') * (1 << 22))")
    found["children"] = said(forward='''
import os, time
for _ in range(4):
    if os.fork() == 0:
        kept = [bytearray(b'x') * (1 << 22) for _ in range(60)]
        time.sleep(60)
time.sleep(60)''')
    found["many"] = said(forward='''
import os, time
for _ in range(400):
    if os.fork() == 0: time.sleep(60)
time.sleep(60)''')
    found["garbage"] = said(forward='''
import os
for fd in range(3, 20):
    try: os.write(fd, b'x')
    except OSError: pass''')
    try:
        judge.evaluate(job(HONEST, audits=False, require_sandbox=True))
    except JudgeFailedError as error:
        found["required"] = str(error)
    found["again"] = ended(judge.evaluate(job(HONEST, audits=False)))
    found["left"] = len(processes_of(judge._process.pid))
print(json.dumps(found))
"""


def test_what_the_kernel_does_not_bound_is_watched():
    without = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"]
    run = subprocess.run(
        [*without, sys.executable, "-P", "-c", SCRIPT], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    if "cgroup" in found["active"]:
        pytest.skip("this machine gives control groups to everybody")
    assert found["honest"] == found["again"] == "passed"
    assert {"cgroup", "process_limit"} <= set(found["missing"])
    for name in ("hog", "children", "many"):
        outcome, detail, seconds = found[name]
        assert outcome == "failed: memory", (name, detail)
        assert seconds < 32
    assert "processes and threads" in found["many"][1]
    assert found["garbage"][0] == "rejected: tampering"
    assert "no " in found["required"]
    assert "cgroup" in found["required"]
    assert found["left"] == 2
