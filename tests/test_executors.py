"""Slots with real judges: one that is lost is replaced, one that fails three times is stopped."""

import queue
import threading
from concurrent import futures
from pathlib import Path

import pytest
from judge_work import HONEST, PROBLEM, candidate, ended, job, until

pytest.importorskip("triton", reason="needs the extra `eval`")

from eval import JudgeFailedError
from eval.client import cuda_device_name
from eval.devices import CudaDevice, cuda_devices
from harness.errors import UsageError
from harness.executors import JudgePool, LocalExecutor, NoSlotError
from harness.executors.gpus import choose_gpus
from harness.executors.tasks import Task, Tasks

FATAL = """
import os
from pathlib import Path
marks = Path({folder!r})
if len(list(marks.iterdir())) < {times}:
    (marks / str(os.getpid())).touch()
    os._exit(1)
"""
"""Reference that kills its judge the first times that it is read."""


def quick(code=HONEST, **more):
    return job(code, audits=False, **more)


def fatal(folder, times):
    text = PROBLEM.reference + FATAL.format(folder=str(folder), times=times)
    return PROBLEM.model_copy(update={"reference": text, "hash": f"fatal {times}"})


def test_a_candidate_whose_judge_is_lost_is_tried_once_more(tmp_path):
    with LocalExecutor("cpu") as executor:
        assert ended(executor.submit(quick(problem=fatal(tmp_path, 1))).result()) == "passed"
        (state,) = executor.states()
        assert (state.strikes, state.judged, len(list(tmp_path.iterdir()))) == (0, 1, 1)


@pytest.mark.slow
def test_candidates_whose_judges_are_lost_again_and_again_stop_no_slot(tmp_path):
    with LocalExecutor("cpu") as executor:
        for _ in range(3):
            with pytest.raises(JudgeFailedError, match="tried 2 times"):
                executor.submit(quick(problem=fatal(tmp_path, 100))).result()
        assert until(lambda: executor.states()[0].stage == "idle", 60)
        assert executor.states()[0].strikes == 0
        assert ended(executor.submit(quick()).result()) == "passed"


def environment_of(executor):
    """First environment of the first slot's judge; it may end at any time."""
    process = executor._slots[0].judge._process
    try:
        return Path(f"/proc/{process.pid}/environ").read_bytes() if process is not None else b""
    except OSError:
        return b""


@pytest.mark.skipif(cuda_device_name() is not None, reason="a CUDA GPU is here")
def test_a_gpu_that_does_not_answer_is_stopped_and_named():
    said = []
    gone = CudaDevice(index=5, name="none", selector="GPU-of-another-machine")
    with LocalExecutor("cuda", gpus=[gone], say=said.append) as executor:
        first = executor.submit(quick())
        assert until(lambda: b"CUDA_VISIBLE_DEVICES=GPU-of-another-machine" in environment_of(executor))
        with pytest.raises(NoSlotError, match="GPU 5 is stopped after 3 failures in a row"):
            first.result()
        with pytest.raises(NoSlotError):
            executor.submit(quick()).result()
        assert [state.stage for state in executor.states()] == ["stopped"]
    assert len(said) == 1
    assert "GPU 5" in said[0]


@pytest.mark.skipif(cuda_device_name() is not None, reason="a CUDA GPU is here")
def test_without_a_driver_there_are_no_gpus():
    assert cuda_devices() == choose_gpus(None) == ()
    with pytest.raises(UsageError, match="there are: none"):
        choose_gpus("0")


def gpus(*names):
    return [CudaDevice(index=place, name=name, selector=f"GPU-{place}") for place, name in enumerate(names)]


CHOICES = [
    (None, ("H100", "H100"), [0, 1]),
    (None, ("H100", "A2", "H100"), [0, 2]),
    ("1", ("H100", "A2", "H100"), [1]),
    ("2, 0,2", ("H100", "A2", "H100"), [2, 0]),
    ("0,1", ("H100", "A2"), "of one name"),
    ("3", ("H100",), "no GPU '3'"),
    ("one", ("H100",), "there are: 0"),
    (",", ("H100",), "at least one"),
]


@pytest.mark.parametrize(("words", "names", "chosen"), CHOICES)
def test_which_gpus_judge(words, names, chosen):
    if isinstance(chosen, list):
        assert [gpu.index for gpu in choose_gpus(words, gpus(*names))] == chosen
    else:
        with pytest.raises(UsageError, match=chosen):
            choose_gpus(words, gpus(*names))


def test_what_was_lost_goes_to_another_slot_first():
    tasks = Tasks(["a", "b"])
    lost, other = Task(quick(), lost_on=["a"]), Task(quick())
    tasks.put(other)
    tasks.put(lost)
    assert tasks.take("a") is other
    assert tasks.take("b") is lost


def test_what_was_lost_stays_where_no_other_slot_is_left():
    tasks = Tasks(["a", "b"])
    lost = Task(quick(), lost_on=["a"])
    tasks.put(lost)
    assert tasks.stop("b", NoSlotError("no")) is False
    assert tasks.take("a") is lost


def test_the_last_slot_takes_its_tasks_with_it():
    tasks = Tasks(["a"])
    waiting, cancelled = Task(quick()), Task(quick())
    tasks.put(waiting)
    tasks.put(cancelled)
    assert cancelled.future.cancel()
    assert tasks.stop("a", NoSlotError("no slot")) is True
    assert isinstance(waiting.future.exception(), NoSlotError)
    assert cancelled.future.cancelled()
    assert tasks.take("a") is None


def test_what_is_cancelled_makes_room_and_is_known_to_be_done():
    tasks = Tasks(["a"])
    gone, left = Task(quick()), Task(quick())
    tasks.put(gone)
    assert gone.future.cancel()
    tasks.put(left)
    assert futures.wait([gone.future], timeout=0).done == {gone.future}
    assert tasks.take("a") is left


def test_what_is_lost_while_closing_is_still_tried_again():
    tasks = Tasks(["a", "b"])
    tasks.close(cancel=False)
    assert tasks.take("b") is None
    lost = Task(quick(), lost_on=["a"])
    tasks.put(lost)
    assert tasks.take("a") is lost
    late = Task(quick())
    tasks.put(late)
    assert isinstance(late.future.exception(), JudgeFailedError)


def test_a_pool_that_is_full_says_so_or_waits():
    with JudgePool(LocalExecutor("cpu"), waiting=1) as pool:
        endless = quick(
            candidate("while True: pass"), limits=quick().limits.model_copy(update={"seconds": 4})
        )
        running = pool.submit(endless)
        assert until(running.running)
        second = pool.submit(quick())
        assert pool.held == pool.bound == 2
        with pytest.raises(queue.Full):
            pool.submit(quick(), block=False)
        with pytest.raises(queue.Full):
            pool.submit(quick(), timeout_s=0.01)
        assert second.cancel()
        third = pool.submit(quick(), block=False)
        late = []
        thread = threading.Thread(target=lambda: late.append(pool.submit(quick("def f(:"))))
        thread.start()
        assert ended(running.result()) == "failed: timeout"
        assert ended(third.result()) == "passed"
        thread.join()
        assert ended(late[0].result()) == "failed: parse"
    assert pool.held == 0
