"""The judge's own life: it is replaced where it breaks, ends with its caller, and leaves nothing behind."""

import os
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from judge_work import HONEST, LIMITS, PROBLEM, candidate, ended, exists, job, processes_of, until, zygotes_of

pytest.importorskip("triton", reason="needs the extra `eval`")

from eval import Case, Judge, JudgeFailedError
from eval.client import cuda_device_name, resolve_device
from harness.executors import LocalExecutor

TESTS = Path(__file__).resolve().parent
ENDLESS = candidate("while True: pass")
PATIENT = LIMITS.model_copy(update={"seconds": 120, "call_seconds": 100})
"""For what must end because its caller does, and not because of a limit."""


def quick(code=HONEST, **more):
    return job(code, audits=False, **more)


def working_folders(process_id):
    """Folders that zygotes of this judge use: their environment names them."""
    homes = set()
    for pid in zygotes_of(process_id):
        items = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
        homes |= {item.removeprefix("HOME=") for item in items if item.startswith("HOME=")}
    return [Path(home) for home in homes]


OTHER_TRITON = """
import os
if os.environ.get("TRITON_INTERPRET"):
    from triton.runtime.interpreter import InterpreterBuilder
    def load(*_):
        raise TypeError("another numpy")
    InterpreterBuilder.create_masked_load = load
"""
"""Stands for a Triton and a numpy that do not go together; Python runs it as it starts."""


def test_an_interpreter_that_does_not_work_is_no_fault_of_a_candidate(tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text(OTHER_TRITON)
    monkeypatch.syspath_prepend(tmp_path)
    with (
        Judge("cpu") as judge,
        pytest.raises(JudgeFailedError, match=r"another numpy.*: install triton 3\.9"),
    ):
        judge.evaluate(quick())


def test_a_judge_is_replaced_when_a_part_of_it_is_gone():
    """One judge through all that can break: each time the job says so, and the next one passes."""
    with Judge("cpu") as judge:
        text = PROBLEM.reference.replace(
            "return x", "assert x.element_size() < 8, 'eighteen'\n        return x"
        )
        broken = PROBLEM.model_copy(update={"reference": text, "variants": ()})
        with pytest.raises(JudgeFailedError, match="AssertionError: eighteen"):
            judge.evaluate(quick(problem=broken))
        assert judge._process is None
        assert ended(judge.evaluate(quick())) == "passed"
        first = judge._process

        for zygote in zygotes_of(first.pid):
            os.kill(zygote, signal.SIGKILL)
        with pytest.raises(JudgeFailedError, match="parent process"):
            judge.evaluate(quick())
        assert ended(judge.evaluate(quick())) == "passed"
        second = judge._process
        assert second is not first
        assert first.poll() is not None

        abandoned = working_folders(second.pid)
        os.killpg(second.pid, signal.SIGKILL)
        second.wait()
        assert all(folder.exists() for folder in abandoned)
        assert ended(judge.evaluate(quick())) == "passed"
        assert not any(folder.exists() for folder in abandoned)


def test_our_failures_are_told_and_the_judge_goes_on(judge):
    judge.evaluate(quick("x ="))
    process = judge._process
    unknown = PROBLEM.model_copy(update={"cases": (Case(name="c", constants={"no_such": 1}),)})
    with pytest.raises(JudgeFailedError, match="no module constant no_such"):
        judge.evaluate(quick(problem=unknown))
    text = PROBLEM.reference + "\nraise RuntimeError('seventeen')\n"
    broken = PROBLEM.model_copy(update={"reference": text})
    with pytest.raises(JudgeFailedError, match="seventeen"):
        judge.evaluate(quick(problem=broken))
    assert ended(judge.evaluate(quick())) == "passed"
    assert judge._process is process


def test_closing_ends_what_is_being_judged():
    with Judge("cpu") as judge:
        judge.evaluate(quick())
        process, outcome = judge._process, []
        everything = processes_of(process.pid)
        folders = working_folders(process.pid)

        def run():
            try:
                outcome.append(judge.evaluate(quick(ENDLESS, limits=PATIENT)))
            except JudgeFailedError as error:
                outcome.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        assert until(lambda: len(processes_of(process.pid)) > len(everything))
        judge.close()
        thread.join(20)
        assert isinstance(outcome[0], JudgeFailedError)
        assert process.poll() is not None
        assert until(lambda: not any(map(exists, everything)))
        assert not any(folder.exists() for folder in folders)
        with pytest.raises(JudgeFailedError, match="closed"):
            judge.evaluate(quick())


CALLER = """
import sys
sys.path[:0] = {paths!r}
from judge_work import *
from eval import Judge
with Judge("cpu") as judge:
    judge.evaluate(job(HONEST, audits=False))
    print(judge._process.pid, flush=True)
    patient = LIMITS.model_copy(update=dict(seconds=120, call_seconds=100))
    judge.evaluate(job({code!r}, audits=False, limits=patient))
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_nothing_outlives_the_caller(how):
    script = CALLER.format(paths=[str(TESTS), str(TESTS.parent)], code=ENDLESS)
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=TESTS.parent,
    ) as caller:
        judge = int(caller.stdout.readline())
        idle = len(processes_of(judge))
        assert until(lambda: len(processes_of(judge)) > idle)
        everything, folders = processes_of(judge), working_folders(judge)
        assert len(everything) >= 3
        assert folders
        caller.send_signal(how)
        assert until(lambda: not any(map(exists, everything)))
        assert until(lambda: not any(folder.exists() for folder in folders))
    assert caller.returncode == (-how if how == signal.SIGKILL else -signal.SIGINT)


@pytest.mark.slow
def test_a_parent_of_runners_that_hangs_is_given_up():
    with Judge("cpu") as judge:
        judge.evaluate(quick())
        for zygote in zygotes_of(judge._process.pid):
            os.kill(zygote, signal.SIGSTOP)
        with pytest.raises(JudgeFailedError, match="does not answer"):
            judge.evaluate(quick())
        assert ended(judge.evaluate(quick())) == "passed"


def test_files_of_the_working_folder_are_not_taken_for_modules(tmp_path):
    for name in ("torch.py", "json.py", "eval.py", "sitecustomize.py"):
        (tmp_path / name).write_text("raise RuntimeError('taken')")
    script = (
        f"import sys; sys.path += [{str(TESTS)!r}, {str(TESTS.parent)!r}]\n"
        "from judge_work import *\nfrom eval import evaluate\n"
        "print(ended(evaluate(job(HONEST, audits=False))))"
    )
    command = [sys.executable, "-P", "-c", script]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (run.stdout, run.returncode) == ("passed\n", 0), run.stderr


def test_the_judge_itself_is_given_no_key(judge):
    judge.evaluate(quick("x ="))
    text = Path(f"/proc/{judge._process.pid}/environ").read_bytes().decode()
    names = {item.split("=")[0] for item in text.split("\0")}
    assert names <= {"PATH", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "CUDA_HOME",
                     "VIRTUAL_ENV", "TMPDIR", "PYTHONPATH", ""}  # fmt: skip


@pytest.mark.skipif(cuda_device_name() is not None, reason="a CUDA GPU is here")
def test_without_a_gpu_the_cpu_judges():
    assert resolve_device("auto") == resolve_device("cpu") == "cpu"
    with pytest.raises(JudgeFailedError, match="--device cpu"):
        resolve_device("cuda")


def test_an_executor_judges_several_at_once():
    codes = [HONEST, candidate("return x"), candidate("return None"), "def f(:", HONEST]
    with LocalExecutor("cpu", slots=2) as executor:
        futures = [executor.submit(quick(code)) for code in codes]
        outcomes = [ended(future.result()) for future in futures]
    assert outcomes == ["passed", "incorrect: aliased_output", "incorrect: type", "failed: parse", "passed"]


def test_an_executor_that_is_interrupted_waits_for_nothing():
    futures = []

    def work():
        with LocalExecutor("cpu") as executor:
            futures.extend(executor.submit(quick(ENDLESS, limits=PATIENT)) for _ in range(3))
            assert until(lambda: executor._slots[0].judge._process is not None)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert all(future.done() for future in futures)
    assert sum(future.cancelled() for future in futures) == 2
    assert isinstance(futures[0].exception(), JudgeFailedError)


FILES = """
import resource
from eval.judge.__main__ import _allow_files
_allow_files()
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


def test_the_judge_may_open_as_many_files_as_the_regions_of_a_gpu_have_pieces():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    wanted = 4096 if hard == resource.RLIM_INFINITY else min(4096, hard)
    words = ["sh", "-c", 'ulimit -S -n 64 && exec "$@"', "sh", sys.executable, "-c", FILES]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert int(done.stdout) == wanted
