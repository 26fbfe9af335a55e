"""The gate of timed calls: what the judge shows and when, and GPU programs that every target takes."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path

import pytest
import triton

from eval.cuda.ptx import PROGRAMS
from eval.gate import DONE, KEY_BYTES, KEYS, OPENED, QUEUED, Gate, new_page
from eval.judge.opening import Opening

KEYS_OF_THREE = [bytes([number + 1]) * KEY_BYTES for number in range(3)]


class Page:
    """Both sides' mappings of one page."""

    def __init__(self) -> None:
        self.fd = new_page()
        self.judge, self.runner = Gate(self.fd), Gate(self.fd)

    def key(self, call: int) -> bytes:
        start = KEYS + call * KEY_BYTES
        return os.pread(self.fd, KEY_BYTES, start)


@pytest.fixture
def page():
    made = Page()
    yield made
    os.close(made.fd)


def test_a_page_cannot_be_cut(page):
    with pytest.raises(PermissionError):
        os.ftruncate(page.fd, 0)


def test_no_key_is_there_before_its_call(page):
    """A runner that plays the GPU sees the key of a call only after it said that the one before is done."""
    opening = Opening(page.judge, KEYS_OF_THREE)
    assert page.key(0) == bytes(KEY_BYTES)
    seen = []
    judge = threading.Thread(target=opening.run)
    judge.start()
    page.runner.write(QUEUED, 1)
    for call in range(3):
        while page.runner.read(OPENED) <= call:
            pass
        seen.append([page.key(other) for other in range(3)])
        page.runner.write(DONE, call + 1)
    judge.join()
    for call, keys in enumerate(seen):
        assert keys[: call + 1] == KEYS_OF_THREE[: call + 1]
        assert keys[call + 1 :] == [bytes(KEY_BYTES)] * (2 - call)


def test_work_that_waits_for_its_own_result_is_shown_its_inputs(page):
    opening = Opening(page.judge, KEYS_OF_THREE[:1])
    opening.run()
    assert page.runner.read(OPENED) == 1
    assert page.key(0) == KEYS_OF_THREE[0]
    assert opening.start_ns > 0


def test_a_runner_that_fails_in_the_middle_is_shown_the_rest(page):
    page.runner.write(QUEUED, 1)
    opening = Opening(page.judge, KEYS_OF_THREE)
    page.runner.write(QUEUED, 1)
    opening.run()
    assert page.runner.read(OPENED) == 3
    assert page.key(2) == KEYS_OF_THREE[2]


def test_a_turn_starts_closed(page):
    page.runner.write(DONE, 7)
    page.judge.write(OPENED, 7)
    page.judge.write_key(1, KEYS_OF_THREE[1])
    Opening(page.judge, KEYS_OF_THREE)
    assert [page.runner.read(word) for word in (OPENED, QUEUED, DONE)] == [0, 0, 0]
    assert page.key(1) == bytes(KEY_BYTES)


@pytest.mark.parametrize("target", ["sm_75", "sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_120"])
def test_the_programs_assemble(target, tmp_path):
    """Checked by the assembler that comes with Triton; the driver's is not there without a GPU."""
    text = tmp_path / "programs.ptx"
    text.write_text(PROGRAMS)
    tools = Path(triton.__file__).parent / "backends/nvidia/bin"
    names = ("ptxas-blackwell", "ptxas") if target in {"sm_100", "sm_120"} else ("ptxas",)
    tool = next(tools / name for name in names if (tools / name).exists())
    words = [tool, "-arch", target, text, "-o", tmp_path / "programs.cubin"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "programs.cubin").stat().st_size > 0


def test_whether_work_was_queued_in_time_is_known(page):
    late = Opening(page.judge, KEYS_OF_THREE[:1])
    late.run()
    early = Opening(page.judge, KEYS_OF_THREE[:1])
    page.runner.write(QUEUED, 1)
    early.run()
    assert (late.queued, early.queued) == (False, True)
