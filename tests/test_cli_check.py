"""The command check as a user starts it, where neither torch nor triton is installed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.prompts import load_gpu

ROOT = Path(__file__).parent.parent
REPLIES = ROOT / "tests" / "replies"
INDEX = json.loads((REPLIES / "index.json").read_text())["replies"]
WITHOUT_TORCH = (
    "import sys; sys.modules.update(dict.fromkeys(('torch', 'triton', 'numpy')));"
    "from harness.cli import main; main()"
)
PROBLEM = ["--problem", "cumsum_exclusive"]
FIELDS = {
    "file", "problem", "stage", "device", "model", "cached", "status", "reason", "phase", "violations",
    "tracks", "robust", "variants", "timing", "guarantees", "environment", "hashes", "seconds",
}  # fmt: skip


def check(*words, folder=ROOT):
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, "check", *map(str, words)],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def lines(done):
    assert done.stderr == ""
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def samples():
    return check("tests/replies", *PROBLEM, "--stage", "final_micro_tuning", "--json")


def test_every_sample_has_a_line(samples):
    found = lines(samples)
    assert samples.returncode == 1
    assert {line["file"] for line in found} == {f"tests/replies/{entry['file']}" for entry in INDEX}
    for line in found:
        assert set(line) >= FIELDS
        assert (line["device"], line["timing"], line["cached"]) == (None, None, False)
        assert (line["problem"], line["stage"]) == ("cumsum_exclusive", "final_micro_tuning")


def test_several_processes_print_the_same_in_the_same_order(samples, tmp_path):
    words = ("tests/replies", *PROBLEM, "--stage", "final_micro_tuning", "--json", "--jobs", "2")
    done = check(*words)
    assert (done.stdout, done.stderr, done.returncode) == (samples.stdout, "", samples.returncode)
    (tmp_path / "no.jsonl").write_text('{"problem": "no_such", "model": "m", "sample": 0, "code": "x"}\n')
    refused = check(tmp_path / "no.jsonl", "--jobs", "2")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "unknown problem 'no_such'" in refused.stderr


@pytest.mark.parametrize("entry", INDEX, ids=lambda entry: entry["file"])
def test_a_sample(entry, samples):
    (line,) = [line for line in lines(samples) if line["file"].endswith(entry["file"])]
    if entry["file"] == "c_5.md":
        assert (line["status"], line["phase"], line["tracks"]["open"]) == ("failed", "extract", False)
        assert "truncated" in line["detail"]
    elif entry["status_cuda"] == "rejected":
        assert line["status"] == "rejected"
        assert line["tracks"] == {"open": False, "stage": False}
    else:
        assert line["status"] == "passed"
        assert line["tracks"] == {"open": True, "stage": entry["stage_legal"]}
        assert {found["track"] for found in line["violations"]} <= {"stage"}


def test_violations_name_the_line_of_code_and_of_the_reply(samples):
    (line,) = [line for line in lines(samples) if line["file"].endswith("c_6.md")]
    assert line["reason"] == "library_compute"
    found = [found for found in line["violations"] if found["rule"] == "library_compute"]
    reply = (REPLIES / "c_6.md").read_text().split("\n")
    for violation in found:
        assert "torch.cumsum" in reply[violation["reply_line"] - 1][violation["column"] :]
        assert set(violation) == {"rule", "track", "severity", "message", "line", "reply_line", "column"}


def test_what_a_person_reads(tmp_path):
    (tmp_path / "bad.md").write_text("So:\n```python\nimport os\nclass ModelNew: 1\n```\n")
    (tmp_path / "cut.md").write_text("```python\nimport torch\n")
    done = check(tmp_path / "bad.md", tmp_path / "cut.md", *PROBLEM)
    assert done.returncode == 1
    assert f"{tmp_path}/bad.md: rejected (output_rules)\n" in done.stdout
    assert "  error: imports, line 1 (line 3 of the reply): `import os`" in done.stdout
    assert f"{tmp_path}/cut.md: failed (extract): truncated:" in done.stdout


def test_all_passing_ends_with_zero():
    done = check("tests/honest/h01_associative_scan.py", "tests/replies/a_1.md", *PROBLEM)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "tests/honest/h01_associative_scan.py: passed\ntests/replies/a_1.md: passed\n"


@pytest.mark.parametrize(
    ("mode", "status"), [("strict", "rejected"), ("lenient", "passed"), ("off", "passed")]
)
def test_modes(mode, status):
    (line,) = lines(check("tests/honest/h17_inclusive_minus_self.py", *PROBLEM, "--rules", mode, "--json"))
    assert line["status"] == status
    assert [found["severity"] for found in line["violations"]] == {
        "strict": ["error"],
        "lenient": ["warning"],
        "off": [],
    }[mode]


def test_a_file_of_code_has_no_lines_of_a_reply():
    (line,) = lines(check("tests/honest/h11_autograd_function.py", *PROBLEM, "--json"))
    (warning,) = line["violations"]
    assert (warning["severity"], warning["reply_line"]) == ("warning", None)
    assert line["tracks"] == {"open": True, "stage": None}
    assert len(line["hashes"]["candidate"]) == 64


def test_lines_of_replies_name_their_own_problem(tmp_path):
    code = (ROOT / "tests" / "honest" / "h01_associative_scan.py").read_text()
    entries = [
        {"problem": "cumsum_exclusive", "model": "m", "sample": 3, "code": code},
        {
            "problem": "cumsum_exclusive",
            "model": "m",
            "sample": 4,
            "reply": "no code",
            "stage": "final_micro_tuning",
        },
    ]
    path = tmp_path / "replies.jsonl"
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    first, second = lines(check(path, "--json"))
    assert (first["model"], first["sample"], first["status"], first["file"]) == (
        "m",
        3,
        "passed",
        f"{path}#1",
    )
    assert (second["status"], second["phase"], second["stage"]) == ("failed", "extract", "final_micro_tuning")


def run_of_kernelbench(folder, *problems):
    code = (ROOT / "tests" / "honest" / "h01_associative_scan.py").read_text()
    (folder / "runs" / "mine").mkdir(parents=True)
    for number in problems:
        (folder / "runs" / "mine" / f"level_1_problem_{number}_sample_0_kernel.py").write_text(code)


@pytest.mark.parametrize(
    ("numbers", "problem", "left"),
    [
        ([92], "cumsum_exclusive", [92]),
        ([4, 92], "4_softmax_rows.py", [4]),
        ([4, 92], "cumsum_exclusive", "answers level_1_problem_92, files before it level_1_problem_4"),
        ([92], "4_softmax_rows.py", "no reply is on"),
        ([92], None, "unknown problem 'level_1_problem_92'"),
    ],
)
def test_a_run_of_kernelbench_on_one_problem(numbers, problem, left, tmp_path):
    run_of_kernelbench(tmp_path, *numbers)
    (tmp_path / "4_softmax_rows.py").write_bytes((ROOT / "tests/kernelbench/4_softmax_rows.py").read_bytes())
    done = check("runs", *(["--problem", problem] if problem else []), "--json", folder=tmp_path)
    if isinstance(left, str):
        assert done.returncode == 2
        assert left in done.stderr
    else:
        found = [json.loads(line) for line in done.stdout.splitlines()]
        assert [line["file"] for line in found] == [
            f"runs/mine/level_1_problem_{number}_sample_0_kernel.py" for number in left
        ]
        assert {line["model"] for line in found} == {"mine"}


def test_the_gpu_of_the_option_goes_before_that_of_a_line(tmp_path):
    line = {"problem": "cumsum_exclusive", "model": "m", "sample": 0, "reply": "no code", "gpu": "l4"}
    (tmp_path / "r.jsonl").write_text(json.dumps(line) + "\n")
    (found,) = lines(check("r.jsonl", "--json", folder=tmp_path))
    (other,) = lines(check("r.jsonl", "--json", "--gpu", "NVIDIA L40S", folder=tmp_path))
    assert [found["hashes"]["gpu"], other["hashes"]["gpu"]] == [load_gpu("l4").hash, load_gpu("l40s").hash]


BYTES = {
    "zero": (b"", "empty"),
    "not_utf8": (b"```python\n# \xff\xfe\nclass ModelNew: 1\n```\n", "not text"),
    "nul": (b"```python\nclass ModelNew: 1\n\x00```\n", "not text"),
    "ten_megabytes": (b"word " * 2_000_000, "too long"),
}


@pytest.mark.parametrize(("content", "kind"), BYTES.values(), ids=BYTES)
def test_files_that_are_no_replies(content, kind, tmp_path):
    (tmp_path / "r.md").write_bytes(content)
    done = check("r.md", *PROBLEM, "--json", folder=tmp_path)
    (line,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1
    assert (line["status"], line["phase"]) == ("failed", "extract")
    assert line["detail"].startswith(kind)
    assert "Traceback" not in done.stderr


def test_code_that_is_not_python(tmp_path):
    (tmp_path / "r.py").write_text("class ModelNew(:\n")
    (line,) = lines(check("r.py", *PROBLEM, "--json", folder=tmp_path))
    assert (line["status"], line["phase"], line["violations"][0]["rule"]) == ("failed", "parse", "syntax")


USAGE = {
    "unknown problem": (["tests/replies", "--problem", "cumsum_exclusiv"], "cumsum_exclusive"),
    "no problem": (["tests/replies"], "--problem"),
    "unknown stage": (["tests/replies", *PROBLEM, "--stage", "final_micro"], "final_micro_tuning"),
    "unknown GPU": (["tests/replies", *PROBLEM, "--gpu", "40900"], "4090"),
    "no such file": (["tests/nothing.md", *PROBLEM], "tests/nothing.md"),
    "no such code": (["tests/replies", *PROBLEM, "--code", "nothing.py"], "nothing.py"),
    "no such metrics": (["tests/replies", *PROBLEM, "--metrics", "nothing.json"], "nothing.json"),
    "unknown mode": (["tests/replies", *PROBLEM, "--rules", "harsh"], "harsh"),
    "no path": ([*PROBLEM], "paths"),
}


@pytest.mark.parametrize(("words", "said"), USAGE.values(), ids=USAGE)
def test_wrong_usage_says_what_to_do(words, said):
    done = check(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr
