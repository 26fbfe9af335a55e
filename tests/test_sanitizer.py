"""compute-sanitizer: what is read from its reports, and what that does to a verdict.

The reports were written from NVIDIA's documentation; a stand-in prints them where there is no GPU.
"""

import subprocess
import sys
from pathlib import Path

import pytest
from judge_work import PROBLEM

from eval.client import JudgeFailedError, cuda_device_name
from eval.records import Failed, Job, Passed, Timing, Tracks
from eval.runner.sandbox import SandboxReport
from harness.errors import EnvironmentFailure
from harness.executors.slot import Slot
from harness.machine import Sanitizer, sanitizer
from harness.problems import load_problem
from harness.profile import SanitizedJudging, said_of_walls
from harness.profile.findings import of_kernels, read_findings
from harness.store.keys import JudgeKey

REPORTS = Path(__file__).parent / "sanitizer"
ROOT = Path(__file__).parent.parent
CODE = """import triton

@triton.jit
def _copy_kernel(x):
    pass
"""
TIMES = {"median": 1.0, "low": 1.0, "high": 1.0, "samples": 1}
PASSED = Passed(
    tracks=Tracks(open=True), timing=Timing(candidate_ms=TIMES, eager_ms=TIMES, speedup={}), robust=True
)


def report(name):
    return (REPORTS / f"{name}.txt").read_text()


@pytest.mark.parametrize(
    ("name", "what", "functions", "line", "more"),
    [
        (
            "out_of_bounds",
            "Invalid __global__ read of size 4 bytes",
            ("_copy_kernel",),
            17,
            "Access to 0x7f1c0a000a04 is out of bounds",
        ),
        (
            "older_form",
            "Invalid __global__ write of size 16 bytes",
            ("_copy_kernel",),
            23,
            "Address 0x763995f9f000 is out of bounds",
        ),
        (
            "called_function",
            "Invalid __global__ write of size 4 bytes",
            ("cumsum_of", "_copy_kernel"),
            19,
            "Address 0x87654320 is out of bounds",
        ),
        (
            "of_a_library",
            "Invalid __global__ read of size 2 bytes",
            ("vectorized_elementwise_kernel",),
            None,
            "Address 0x710fdca00001 is misaligned",
        ),
        ("race", "Race reported between Write access", ("_copy_kernel",), 14, None),
    ],
)
def test_a_report_is_read(name, what, functions, line, more):
    first = read_findings(report(name), "candidate.py")[0]
    assert (first.what, first.functions, first.line, first.more) == (what, functions, line, more)


def test_warnings_and_what_libraries_do_are_left_out():
    assert len(read_findings(report("race"), "candidate.py")) == 1
    assert of_kernels(read_findings(report("of_a_library"), "candidate.py"), ["_copy_kernel"]) == ()
    assert read_findings(report("clean_memory"), "candidate.py") == ()
    assert read_findings(report("clean_races"), "candidate.py") == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no end"),
        (report("out_of_bounds").rpartition("========= ERROR")[0], "has no end"),
        ("========= In words that nobody knows\n========= ERROR SUMMARY: 3 errors\n", "counts 3 errors"),
    ],
)
def test_a_report_that_is_not_whole(text, message):
    with pytest.raises(EnvironmentFailure, match=message):
        read_findings(text, "candidate.py")


def stand_in(folder, memory="clean_memory", races="clean_races", *, code=0):
    """A program that writes the recorded reports as compute-sanitizer does, and runs nothing."""
    path = folder / "compute-sanitizer"
    path.write_text(
        "#!/bin/sh\n"
        '[ "$1" = --version ] && { echo "Version 2025.1.0"; exit 0; }\n'
        f'echo "$CUDA_VISIBLE_DEVICES $PYTORCH_NO_CUDA_MEMORY_CACHING $@" >> {folder}/asked.txt\n'
        f"case $2 in memcheck) report={REPORTS}/{memory}.txt;; *) report={REPORTS}/{races}.txt;; esac\n"
        'while [ "$1" != --log-file ]; do shift; done\n'
        f'cp $report "$2"; echo "last words" >&2; exit {code}\n'
    )
    path.chmod(0o755)
    return SanitizedJudging(sanitizer(search=str(folder)), 60.0)


def job():
    return Job(problem=PROBLEM, code=CODE)


def test_what_is_clean_stays_passed(tmp_path):
    found = stand_in(tmp_path)(job(), PASSED, "GPU-7")
    assert found == PASSED.model_copy(
        update={"guarantees": PASSED.guarantees.model_copy(update={"sanitizer": ("memcheck", "racecheck")})}
    )
    memory, races = (tmp_path / "asked.txt").read_text().splitlines()
    assert memory.startswith("GPU-7 1 --tool memcheck --padding 65536 --target-processes application-only ")
    assert " -m eval.profile.sanitized " in memory
    assert races.startswith("GPU-7 1 --tool racecheck ")


def test_a_wrong_access_fails_what_passed(tmp_path):
    found = stand_in(tmp_path, "out_of_bounds", code=1)(job(), PASSED, None)
    assert isinstance(found, Failed)
    assert (found.phase, found.defence, found.timing) == ("crash", "sanitizer", None)
    assert found.tracks == Tracks(open=False, stage=False)
    assert found.robust is True
    assert found.detail == (
        "compute-sanitizer's memcheck: Invalid __global__ read of size 4 bytes in _copy_kernel, line 17; "
        "Access to 0x7f1c0a000a04 is out of bounds (and 1 more)"
    )
    assert len((tmp_path / "asked.txt").read_text().splitlines()) == 1


def test_a_race_is_told_and_refuses_nothing(tmp_path):
    found = stand_in(tmp_path, races="race")(job(), PASSED, None)
    assert (found.status, found.guarantees.sanitizer) == ("passed", ("memcheck",))
    assert found.detail == (
        "compute-sanitizer's racecheck: Race reported between Write access in _copy_kernel, line 14"
    )


def test_what_did_not_pass_is_not_looked_at(tmp_path):
    verdict = Failed(phase="run")
    assert stand_in(tmp_path)(job(), verdict, None) is verdict
    assert not (tmp_path / "asked.txt").exists()


def test_a_run_that_ends_badly_without_a_finding_is_ours(tmp_path):
    with pytest.raises(JudgeFailedError, match="failed with no finding:\n  last words"):
        stand_in(tmp_path, code=1)(job(), PASSED, None)


def test_without_the_tool_nothing_is_begun():
    with pytest.raises(EnvironmentFailure, match="install the CUDA toolkit"):
        SanitizedJudging(Sanitizer())


def test_the_case_is_large_and_odd():
    from eval.profile.sanitized import odd_case

    sizes = {"cumsum_exclusive": "2x9001", "softmax": None}
    for name, expected in sizes.items():
        case = odd_case(load_problem(name).problem)
        assert case.inputs[0].shape[-1] % 2 == 1
        assert case.elements() > 1000
        assert expected in {None, case.case.name}


def test_the_walls_that_stand_are_written_down(tmp_path):
    words = "import sys, pathlib; from eval.profile import walls; walls.enter(pathlib.Path(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", words, tmp_path], cwd=ROOT, check=True, timeout=60)
    held = SandboxReport.model_validate_json((tmp_path / "walls.json").read_text())
    assert held.active == ("no_new_privs", "rlimits")
    assert "landlock" in held.missing
    assert said_of_walls(held).startswith("walls around the candidate: no_new_privs, rlimits; missing under")
    assert "not known" in said_of_walls(None)


class OneVerdict(Slot):
    """A slot whose judge passes everything."""

    def _judge(self, job, ahead):
        return PASSED

    def _look_again(self, job, verdict):
        return Failed(phase="crash", detail="looked again")

    def _bring_up(self):
        return

    def _stop(self):
        return

    def close(self, *, in_haste):
        return


def test_a_slot_looks_again_before_it_takes_the_next():
    slot = OneVerdict("slot")
    assert slot.evaluate(job()).detail == "looked again"
    assert slot.state().judged == 1


def test_what_was_looked_at_has_a_key_of_its_own():
    key = JudgeKey(candidate_hash="c", problem="p", problem_hash="h", evaluator="1")
    assert key.hash != key.model_copy(update={"sanitize": True}).hash


@pytest.mark.skipif(cuda_device_name() is not None, reason="there is a GPU here")
def test_the_command_says_what_is_missing(tmp_path):
    stand_in(tmp_path)
    (tmp_path / "a.py").write_text(CODE)
    words = [sys.executable, "-c", "from harness.cli import main; main()"]
    words += ["eval", "a.py", "--problem", "cumsum_exclusive", "--sanitize"]
    for path, message in (
        (f"{tmp_path}:/usr/bin:/bin", "none judges here"),
        ("/usr/bin:/bin", "CUDA toolkit"),
    ):
        done = subprocess.run(
            words, cwd=tmp_path, env={"PYTHONPATH": str(ROOT), "PATH": path}, capture_output=True, text=True,
            timeout=120, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (4, "")
        assert message in done.stderr
    done = subprocess.run(
        [*words, "--rules", "off"], cwd=tmp_path, env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (done.returncode, "outside of most walls" in done.stderr) == (2, True)
    assert not (tmp_path / "kernel-harness.db").exists()
