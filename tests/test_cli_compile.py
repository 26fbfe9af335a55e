"""The command compile as a user starts it."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SEED = ROOT / "reference_solutions" / "cumsum_exclusive" / "current.py"
FIELDS = {
    "kernel", "config", "num_warps", "num_stages", "grid", "registers", "spill_bytes", "shared_bytes",
    "occupancy", "limiter", "waves",
}  # fmt: skip
needs_triton = pytest.mark.skipif(find_spec("triton") is None, reason="needs the extra `eval`")


def compile_dry(*words):
    code = "from harness.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, "compile", *map(str, words), "--problem", "cumsum_exclusive"],
        cwd=ROOT, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip


@needs_triton
def test_a_line_for_each_kernel_and_config():
    done = compile_dry(SEED, "--gpu", "NVIDIA GeForce RTX 4090", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["config"] for line in lines] == [{"BLOCK_SIZE": size} for size in (128, 256, 512)]
    for line in lines:
        assert set(line) >= FIELDS
        assert line["kernel"] == "_cumsum_rowwise_kernel"
        assert line["grid"] == [32767]
        assert line["error"] is None


@needs_triton
def test_a_table_for_a_smaller_size():
    done = compile_dry(SEED, "--gpu", "h100", "--size", "4096")
    assert (done.returncode, done.stderr) == (0, "")
    heading, *rows = done.stdout.splitlines()
    assert heading.split()[:4] == ["kernel", "config", "warps", "stages"]
    assert [row.split()[:5] for row in rows] == [
        ["_cumsum_rowwise_kernel", "BLOCK_SIZE=128", "4", "1", "4095"],
        ["_cumsum_rowwise_kernel", "BLOCK_SIZE=256", "4", "2", "4095"],
        ["_cumsum_rowwise_kernel", "BLOCK_SIZE=512", "8", "2", "4095"],
    ]


@needs_triton
def test_what_does_not_compile_is_told_and_ends_with_1():
    done = compile_dry(ROOT / "tests" / "replies" / "c_2.md", "--gpu", "4090", "--json")
    assert done.returncode == 1
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines
    for line in lines:
        assert set(line) >= FIELDS
        assert line["registers"] is None
        assert line["error"]["kind"] == "compile"
        assert "'exclusive'" in line["error"]["message"]


@needs_triton
def test_a_reply_without_code_is_told_and_ends_with_1():
    done = compile_dry(ROOT / "tests" / "replies" / "c_5.md", "--gpu", "4090")
    assert (done.returncode, done.stdout) == (1, "")
    assert "could not be launched dry (candidate): truncated" in done.stderr


@needs_triton
@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((SEED, "--gpu", "mi300x"), "not a GPU of NVIDIA"),
        ((SEED, "--gpu", "9090"), "unknown GPU '9090'"),
        ((SEED, "--gpu", "4090", "--size", "3gb"), "there are: full, 8gb, 4gb, 4096"),
        ((ROOT / "tests" / "replies", "--gpu", "4090"), "14 replies; compile takes one candidate"),
        ((ROOT / "nowhere.py", "--gpu", "4090"), "nowhere.py"),
    ],
)
def test_wrong_words_end_with_2(words, said):
    done = compile_dry(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_without_triton_it_says_what_to_install(tmp_path):
    code = (
        "import importlib.util as u, sys; find = u.find_spec\n"
        "u.find_spec = lambda name, *rest: None if name == 'triton' else find(name, *rest)\n"
        "from harness.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "compile", str(SEED), "--problem", "cumsum_exclusive", "--gpu", "4090"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (4, "")
    assert "kernel-harness[eval]" in done.stderr
