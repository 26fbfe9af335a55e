import json
import os
import subprocess
import sys

import pytest

from harness.cli.doctor import _judging, diagnose
from harness.machine import Gpu, gpus, profiler, walls

NCU = """#!/bin/sh
echo 'NVIDIA (R) Nsight Compute Command Line Profiler'
echo 'Version 2025.3.1.0 (build 36398880) (public-release)'
"""


def doctor(*words, **variables):
    return subprocess.run(
        [sys.executable, "-c", "from harness.cli import main; main()", "doctor", *words],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=True,
    )


@pytest.fixture
def machine(tmp_path):
    """A folder that stands for the root of a machine, with a profiler in it."""
    ncu = tmp_path / "opt/nvidia/nsight-compute/2025.3.1/ncu"
    ncu.parent.mkdir(parents=True)
    ncu.write_text(NCU)
    ncu.chmod(0o755)
    (tmp_path / "proc/driver/nvidia").mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize(
    ("setting", "permitted"),
    [
        ("RmProfilingAdminOnly: 0", True),
        ("RmProfilingAdminOnly: 1", os.geteuid() == 0),
        ("SomethingElse: 1", None),
    ],
)
def test_driver_says_who_may_profile(machine, setting, permitted):
    (machine / "proc/driver/nvidia/params").write_text(f"EnableMSI: 1\n{setting}\nLast: 0\n")
    found = profiler(machine, search="")
    assert (found.version, found.permitted) == ("2025.3.1.0", permitted)
    assert found.path == str(machine / "opt/nvidia/nsight-compute/2025.3.1/ncu")


def test_no_profiler_no_driver(tmp_path):
    found = profiler(tmp_path, search="")
    assert (found.path, found.version, found.permitted) == (None, None, None)


@pytest.mark.parametrize("text", ["#!/bin/sh\nexit 3\n", "#!/bin/sh\necho nothing\n", "not a program"])
def test_a_broken_profiler_has_no_version(machine, text):
    ncu = machine / "opt/nvidia/nsight-compute/2025.3.1/ncu"
    ncu.write_text(text)
    found = profiler(machine, search="")
    assert (found.path, found.version) == (str(ncu), None)


@pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is made of Linux")
def test_walls_are_up_or_missing_never_both():
    found = walls(cuda=False)
    assert {"no_new_privs", "rlimits", "seccomp"} <= set(found.active)
    assert not set(found.active) & set(found.missing)


def test_json_is_one_object_that_never_holds_the_key():
    done = doctor(
        "--json", OPENAI_API_KEY="sk-very-secret", OPENAI_BASE_URL="http://me:password@localhost:8000/v1"
    )
    found = json.loads(done.stdout)
    assert found["endpoint"] == {
        "url": "http://localhost:8000/v1",
        "key_variable": "OPENAI_API_KEY",
        "key_is_set": True,
    }
    assert found["packages"]["pydantic"]
    assert not any(secret in done.stdout + done.stderr for secret in ("sk-very-secret", "password"))


def test_words_name_every_missing_level():
    done = doctor()
    for level in diagnose().sandbox.missing:
        assert f"missing: {level} (" in done.stdout


@pytest.mark.parametrize(
    ("gpu", "torch", "words"),
    [
        (False, "2.13.0", "never timed"),
        (True, "2.13.0+cu130", "on NVIDIA H100"),
        (True, "2.13.0+cpu", "cannot use the GPU"),
        (True, None, "torch missing"),
    ],
)
def test_says_what_eval_will_do(gpu, torch, words):
    packages = {"torch": torch, "triton": "3.9.0", "numpy": "2.4.6"}
    present = (Gpu(name="NVIDIA H100"),) if gpu else ()
    assert words in _judging(diagnose().model_copy(update={"packages": packages, "gpus": present}))


@pytest.mark.gpu
def test_gpu_has_name_driver_and_clock():
    gpu = gpus()[0]
    assert gpu.name.startswith("NVIDIA")
    assert gpu.driver
    assert 100 < gpu.sm_clock_mhz <= gpu.max_sm_clock_mhz
