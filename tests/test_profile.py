"""Reading Nsight Compute: a report recorded on an H100, and a stand-in for ``ncu`` where there is no GPU."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from ncu_stand_in import QUERY, RECORDED, stand_in

from eval.client import cuda_device_name
from eval.records import Job
from harness.errors import EnvironmentFailure, UsageError
from harness.machine import Profiler
from harness.metrics import load_metrics
from harness.problems import load_problem
from harness.profile import measured, prompt_metrics, read_report, unknown_metrics
from harness.profile.report import clean_name
from harness.prompts import load_stage

ROOT = Path(__file__).parent.parent
COMMAND = [sys.executable, "-c", "from harness.cli import main; main()"]
SEED = load_stage("final_micro_tuning")
OWN = "_cumsum_rowwise_kernel"


def test_a_recorded_report_in_the_form_of_the_seed():
    kernels = read_report(RECORDED.read_text())
    assert [kernel.name for kernel in kernels] == [
        "vectorized_elementwise_kernel",
        "CatArrayBatchedCopy_alignedK_contig",
        OWN,
    ]
    assert prompt_metrics(kernels, SEED.metrics, [OWN]) == {
        OWN: {
            "sm__throughput.avg.pct_of_peak_sustained_elapsed": 53.7,
            "launch__grid_size": 32767,
            "sm__warps_active.avg.pct_of_peak_sustained_active": 98.07,
            "dram__throughput.avg.pct_of_peak_sustained_elapsed": 73.15,
            "lts__t_sector_hit_rate.pct": 55.36,
        }
    }
    assert tuple(prompt_metrics(kernels, SEED.metrics, [OWN])[OWN]) == SEED.metrics


def test_counts_are_integers_and_rates_are_not():
    wanted = ["launch__waves_per_multiprocessor", "launch__registers_per_thread", "gpu__time_duration.sum"]
    shown = prompt_metrics(read_report(RECORDED.read_text()), [*wanted, "dram__bytes_read.sum"])
    cat, own = shown["CatArrayBatchedCopy_alignedK_contig"], shown[OWN]
    assert json.dumps(list(own.values())) == "[15.51, 24, 3499776, 4301294848]"
    assert isinstance(cat["launch__waves_per_multiprocessor"], float)


def report(*launches, unit="ns"):
    names = [
        "ID",
        "Kernel Name",
        "gpu__time_duration.sum",
        "sm__x.pct",
        "launch__grid_size",
        "dram__bytes.sum",
    ]
    lines = [names, ["", "", unit, "%", "", "byte"], *launches]
    return "==PROF== Connected\n" + "".join(",".join(f'"{cell}"' for cell in line) + "\n" for line in lines)


def test_launches_of_one_kernel_are_taken_together():
    first = ("0", "void k<int, 4>(int *)", "1,000", "10.0", "7", "100")
    text = report(first, ("1", "k", "3,000", "50.0", "9", "1,000"))
    (kernel,) = read_report(text)
    assert (kernel.name, kernel.launches, kernel.duration_ns) == ("k", 2, 4000)
    assert kernel.values["sm__x.pct"] == pytest.approx(40)
    assert kernel.values["launch__grid_size"] == 9
    assert kernel.values["dram__bytes.sum"] == 1100


@pytest.mark.parametrize("text", ["nan", "n/a", "", "inf", "(!) nan"])
def test_a_counter_without_a_number_is_left_out(text):
    (kernel,) = read_report(report(("0", "k", "1,000", text, "7", "5")))
    assert "sm__x.pct" not in kernel.values
    assert prompt_metrics([kernel], ["sm__x.pct", "launch__grid_size"]) == {"k": {"launch__grid_size": 7}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no kernel"),
        ("==WARNING== No kernels were profiled.\n", "holds no kernel"),
        (report(), "holds no kernel"),
        (
            report(("0", "k", "1", "1", "1", "1"), unit="us"),
            "not in ns; take the report with",
        ),
        ('"a","b"\n"c","d"\n', "holds no kernel"),
    ],
)
def test_what_is_no_report(text, message):
    with pytest.raises(UsageError, match=f"r.csv: .*{message}"):
        read_report(text, "r.csv")


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("k", "k"),
        ("void at::native::<unnamed>::Cat<a::B<4>, 2>(T1 *, int)", "Cat"),
        ("at::(anonymous namespace)::fill(int)", "fill"),
        ("void cutlass::Kernel<cutlass::gemm::X<1>>(Params)", "Kernel"),
        ("", ""),
    ],
)
def test_names_are_cleaned(name, clean):
    assert clean_name(name) == clean


def test_metrics_that_a_chip_lacks():
    stalled = "smsp__warp_issue_stalled_memory_dependency.avg"
    found = unknown_metrics([*SEED.metrics, stalled, "dram__bytes_reed.sum"], QUERY)
    assert set(found) == {stalled, "dram__bytes_reed.sum"}
    assert "dram__bytes_read" in found["dram__bytes_reed.sum"]


def job():
    problem = load_problem("cumsum_exclusive")
    return Job(problem=problem.problem, code=problem.current_code)


def test_a_run_is_read(tmp_path):
    found = stand_in(tmp_path, answer=f'echo "$@" > {tmp_path}/asked.txt; cat {RECORDED}')
    done = measured(job(), SEED.metrics, found, timeout_s=60)
    assert done.kernels == read_report(RECORDED.read_text())
    assert done.walls is None
    asked = (tmp_path / "asked.txt").read_text()
    assert "--profile-from-start off --clock-control none --csv --page raw --print-units base" in asked
    assert f"--metrics {','.join(SEED.metrics)},gpu__time_duration.sum " in asked
    assert " -m eval.profile " in asked


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        (
            "echo '==ERROR== ERR_NVGPUCTRPERM'; exit 1",
            EnvironmentFailure,
            "NVreg_RestrictProfilingToAdminUsers=0",
        ),
        ("echo '==ERROR== ERR_NVGPUCTRPERM'", EnvironmentFailure, "may not read the GPU's counters"),
        (
            "sleep 30",
            EnvironmentFailure,
            "no report within 1 s; the prompt then says that",
        ),
        ("echo 'ValueError: no' >&2; exit 1", UsageError, "the profiled call failed:\n  ValueError: no"),
        ("echo '==WARNING== No kernels were profiled.'", UsageError, "holds no kernel"),
    ],
)
def test_a_run_that_gives_nothing(answer, kind, message, tmp_path):
    with pytest.raises(kind, match=message):
        measured(job(), SEED.metrics, stand_in(tmp_path, answer=answer), timeout_s=1)


def test_what_is_refused_before_a_run(tmp_path):
    with pytest.raises(EnvironmentFailure, match="there is no Nsight Compute here"):
        measured(job(), SEED.metrics, Profiler(), timeout_s=1)
    shut = stand_in(tmp_path).model_copy(update={"permitted": False})
    with pytest.raises(EnvironmentFailure, match="ERR_NVGPUCTRPERM"):
        measured(job(), SEED.metrics, shut, timeout_s=1)
    with pytest.raises(UsageError, match=r"no metric dram__bytes_reed\.sum; the nearest: dram__bytes_read"):
        measured(job(), ["dram__bytes_reed.sum"], stand_in(tmp_path), timeout_s=1)
    found = stand_in(tmp_path, answer=f"cat {RECORDED}", query=QUERY + "sm__more  Counter  x\n")
    with pytest.raises(UsageError, match=r"sm__more\.sum gave no number on this GPU"):
        measured(job(), ["sm__more.sum"], found, timeout_s=60)


def profile(folder, *words):
    return subprocess.run(
        [*COMMAND, "profile", *map(str, words)],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


CURRENT = ROOT / "reference_solutions" / "cumsum_exclusive" / "current.py"
ASKED = ["--problem", "cumsum_exclusive", "--stage", "final_micro_tuning"]


def test_the_command_gives_what_a_prompt_takes(tmp_path):
    done = profile(tmp_path, CURRENT, *ASKED, "--report", RECORDED, "--output", "m.json")
    assert (done.returncode, done.stdout) == (0, "")
    assert "CatArrayBatchedCopy_alignedK_contig (a library's): 4.17 ms, 54 %" in done.stderr
    assert list(load_metrics(tmp_path / "m.json").kernels) == [OWN]
    words = ["cumsum_exclusive", "--stage", "final_micro_tuning", "--gpu", "h100", "--metrics", "m.json"]
    prompt = subprocess.run(
        [*COMMAND, "prompt", *words], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True,
        check=True,
    )  # fmt: skip
    assert b'"dram__throughput.avg.pct_of_peak_sustained_elapsed": 73.15' in prompt.stdout
    everything = profile(tmp_path, CURRENT, *ASKED, "--report", RECORDED, "--every-kernel")
    assert len(json.loads(everything.stdout)) == 3


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ([CURRENT, *ASKED[:2], "--stage", "seed"], 2, "stage seed shows no metrics"),
        ([CURRENT, *ASKED, "--report", "none.csv"], 2, "none.csv: cannot read it"),
        ([ROOT / "tests" / "replies" / "c_6.md", *ASKED], 2, "is not run: line"),
        ([ROOT / "tests" / "replies" / "a_3.md", *ASKED, "--report", RECORDED], 2, f"the report has .*{OWN}"),
        pytest.param(
            [CURRENT, *ASKED],
            4,
            "profiling needs an NVIDIA GPU, and none is here",
            marks=pytest.mark.skipif(cuda_device_name() is not None, reason="there is a GPU here"),
        ),
    ],
)
def test_bad_input_ends_with_a_clear_error(words, code, message, tmp_path):
    done = profile(tmp_path, *words)
    assert (done.returncode, done.stdout) == (code, "")
    assert re.search(message, done.stderr)
