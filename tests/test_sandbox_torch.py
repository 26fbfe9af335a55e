"""What honest candidates need keeps working inside the walls."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton", reason="needs the extra `eval`")


GPU = (pytest.mark.gpu, pytest.mark.skipif(not Path("/dev/nvidiactl").exists(), reason="no NVIDIA GPU here"))


@pytest.mark.parametrize(
    "scenario",
    [
        "torch_on_cpu",
        "interpreter",
        "compile_for_a_gpu",
        pytest.param(
            "c_compiler", marks=pytest.mark.skipif(shutil.which("gcc") is None, reason="no C compiler here")
        ),
        pytest.param("on_a_gpu", marks=GPU),
        pytest.param("torch_compile_on_a_gpu", marks=GPU),
    ],
)
def test_honest_work(tmp_path, scenario):
    work(scenario, tmp_path)


def test_triton_compiles_under_the_first_version_of_landlock(tmp_path):
    work("compile_for_a_gpu", tmp_path, "1")
    assert list((tmp_path / "triton").glob("*/twice.cubin"))
    assert not list((tmp_path / "triton").glob("*/.*"))


def work(*arguments):
    here = Path(__file__).parent
    script = [sys.executable, here / "sandbox_work.py", *arguments]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(here.parent), os.environ.get("PYTHONPATH", "")])
    }
    run = subprocess.run(script, check=False, capture_output=True, text=True, timeout=400, env=environment)
    assert run.returncode == 0, run.stderr
