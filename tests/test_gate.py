"""The gate of timed calls: what the judge shows and when, and GPU programs that every target takes."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import triton

from eval.cuda.ptx import PROGRAMS
from eval.gate import AWAKE, DONE, KEY_BYTES, KEYS, OPENED, QUEUED, TURN, Gate, new_page
from eval.judge.opening import Opening

KEYS_OF_THREE = [bytes([number + 1]) * KEY_BYTES for number in range(3)]


def silent():
    """Stand for a runner that has nothing to say."""
    return False


def gone():
    """Stand for a runner that has ended, or has answered with its error."""
    return True


class Page:
    """Both sides' mappings of one page."""

    def __init__(self) -> None:
        self.fd = new_page()
        self.judge, self.runner = Gate(self.fd), Gate(self.fd)

    def opening(self, keys: list[bytes], speaks: Callable[[], bool]) -> Opening:
        """Return one whose runner's GPU turns to it at once."""
        made = Opening(self.judge, keys, speaks)
        self.runner.write(AWAKE, 1)
        made.admit()
        return made

    def key(self, call: int) -> bytes:
        start = KEYS + call * KEY_BYTES
        return os.pread(self.fd, KEY_BYTES, start)


def worked(page: Page, opening: Opening, *, done_meanwhile: bool) -> list[int]:
    """Let one call be shown and done, the latter while something else is done or after it."""
    shown: list[int] = []

    def meanwhile() -> None:
        shown.append(page.runner.read(OPENED))
        if done_meanwhile:
            page.runner.write(DONE, 1)
        else:
            threading.Timer(0.2, page.runner.write, (DONE, 1)).start()

    page.runner.write(QUEUED, 1)
    opening.wait()
    opening.run(meanwhile)
    return shown


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
    opening = page.opening(KEYS_OF_THREE, silent)
    assert page.key(0) == bytes(KEY_BYTES)
    seen = []
    page.runner.write(QUEUED, 1)
    opening.wait()
    judge = threading.Thread(target=opening.run)
    judge.start()
    for call in range(3):
        while page.runner.read(OPENED) <= call:
            pass
        seen.append([page.key(other) for other in range(3)])
        assert opening.done_ns == 0
        page.runner.write(DONE, call + 1)
    judge.join()
    for call, keys in enumerate(seen):
        assert keys[: call + 1] == KEYS_OF_THREE[: call + 1]
        assert keys[call + 1 :] == [bytes(KEY_BYTES)] * (2 - call)
    assert 0 < opening.start_ns < opening.done_ns


def test_nothing_is_shown_before_the_gpu_has_turned_to_the_runner(page):
    shown = []

    def speaks():
        shown.append(page.runner.read(OPENED))
        if len(shown) == 2:
            page.runner.write(AWAKE, 1)
        return False

    opening = Opening(page.judge, KEYS_OF_THREE[:1], speaks)
    assert page.runner.read(TURN) == 0
    opening.admit()
    assert page.runner.read(TURN) == 1
    page.runner.write(DONE, 1)
    opening.run()
    assert shown[:2] == [0, 0]
    assert page.runner.read(OPENED) == 1


def test_a_gpu_that_never_says_that_it_turned_is_waited_for_in_vain_for_a_while_only(page):
    opening = Opening(page.judge, KEYS_OF_THREE[:1], silent)
    opening.admit()
    page.runner.write(DONE, 1)
    opening.run()
    assert page.key(0) == KEYS_OF_THREE[0]


def test_work_that_waits_for_its_own_result_is_shown_its_inputs(page):
    opening = page.opening(KEYS_OF_THREE[:1], silent)
    opening.wait()
    assert not opening.queued
    judge = threading.Thread(target=opening.run)
    judge.start()
    while page.runner.read(OPENED) < 1:
        pass
    assert page.key(0) == KEYS_OF_THREE[0]
    assert not opening.done
    page.runner.write(DONE, 1)
    judge.join()
    assert opening.done


def test_who_speaks_before_it_is_done_is_not_done(page):
    opening = page.opening(KEYS_OF_THREE[:1], gone)
    opening.run()
    assert not opening.done
    page.runner.write(DONE, 1)
    opening.finish()
    assert opening.done


def test_the_end_is_when_it_was_first_seen(page):
    opening = page.opening(KEYS_OF_THREE[:1], silent)
    page.runner.write(DONE, 1)
    opening.run()
    seen = opening.done_ns
    opening.finish()
    assert opening.done_ns == seen


def test_who_makes_no_progress_and_says_nothing_is_shown_the_rest(page):
    def speaks():
        return page.runner.read(OPENED) == 3

    opening = page.opening(KEYS_OF_THREE, speaks)
    page.runner.write(QUEUED, 1)
    opening.wait()
    opening.run()
    assert page.key(2) == KEYS_OF_THREE[2]
    assert not opening.done


def test_nobody_is_waited_for_who_has_ended(page):
    opening = page.opening(KEYS_OF_THREE, gone)
    opening.wait()
    assert not opening.queued
    opening.run()
    assert opening.done_ns > 0


def test_a_runner_that_fails_in_the_middle_is_shown_the_rest(page):
    opening = page.opening(KEYS_OF_THREE, gone)
    page.runner.write(QUEUED, 1)
    opening.wait()
    opening.run()
    assert page.runner.read(OPENED) == 3
    assert page.key(2) == KEYS_OF_THREE[2]


def test_a_turn_that_nobody_looks_at_holds_no_stream(page):
    opening = Opening(page.judge, KEYS_OF_THREE, silent)
    opening.abandon()
    assert (page.runner.read(TURN), page.runner.read(OPENED)) == (1, 3)
    assert page.key(0) == bytes(KEY_BYTES)


def test_a_turn_starts_closed(page):
    page.runner.write(DONE, 7)
    page.judge.write(OPENED, 7)
    page.judge.write_key(1, KEYS_OF_THREE[1])
    page.runner.write(AWAKE, 1)
    page.judge.write(TURN, 1)
    Opening(page.judge, KEYS_OF_THREE, silent)
    assert [page.runner.read(word) for word in (OPENED, QUEUED, DONE, TURN, AWAKE)] == [0] * 5
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
    late = page.opening(KEYS_OF_THREE[:1], silent)
    late.wait()
    early = page.opening(KEYS_OF_THREE[:1], silent)
    page.runner.write(QUEUED, 1)
    early.wait()
    assert (late.queued, early.queued) == (False, True)


def test_other_things_are_done_once_the_inputs_are_shown_and_the_end_is_watched_for(page):
    opening = page.opening(KEYS_OF_THREE[:1], silent)
    assert worked(page, opening, done_meanwhile=False) == [1]
    assert opening.done
    assert opening.watched
    assert opening.done_ns - opening.start_ns > 10_000_000


def test_an_end_that_came_before_other_things_were_done_was_not_watched_for(page):
    opening = page.opening(KEYS_OF_THREE[:1], silent)
    assert worked(page, opening, done_meanwhile=True) == [1]
    assert opening.done
    assert not opening.watched
