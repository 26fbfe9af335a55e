"""``kernel-harness eval`` as a user runs it: real files, real processes, real exit codes."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from judge_work import HONEST, candidate, problem_folder, processes_of, until

pytest.importorskip("triton", reason="needs the extra `eval`")

from eval.client import cuda_device_name
from harness.prompts import load_gpu
from harness.store import Store

REPLIES = Path(__file__).resolve().parent / "replies"
FIXED = {
    "file", "problem", "stage", "device", "model", "cached", "status", "reason", "phase", "violations",
    "tracks", "robust", "variants", "timing", "guarantees", "environment", "hashes", "seconds",
}  # fmt: skip
FENCED = "Here it is:\n\n```python\n{}\n```\n\nIt is fast.\n"
ENDLESS = candidate("while True: pass")


@pytest.fixture
def place(tmp_path):
    """A working folder with the tiny problem in it."""
    problem_folder(tmp_path / "affine")
    return tmp_path


CALL = "import sys; sys.argv[0] = 'kernel-harness'; from harness.cli import main; main()"


def start(place, *words):
    """Start the command with this checkout's modules, whatever is installed."""
    paths = os.pathsep.join([str(REPLIES.parent.parent), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, "-c", CALL, "eval", *map(str, words)], cwd=place, text=True,
        env=os.environ | {"PYTHONPATH": paths}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def run(place, *words, code=None):
    """Return the exit code, the lines, as objects where they are, and what was said on stderr."""
    with start(place, *words) as process:
        stdout, stderr = process.communicate()
    assert code is None or process.returncode == code, stderr
    lines = stdout.splitlines()
    return process.returncode, [json.loads(line) for line in lines] if "--json" in words else lines, stderr


def outcome(line):
    kind = line["reason"] or line["phase"]
    return line["status"] + (f": {kind}" if kind else "")


BATCH = {
    "honest.py": (HONEST.encode(), "passed"),
    "fenced.md": (FENCED.format(HONEST).encode(), "passed"),
    "windows.md": (FENCED.format(HONEST).replace("\n", "\r\n").encode(), "passed"),
    "wrong.md": (FENCED.format(candidate("return run(x, 7.0)")).encode(), "incorrect: values"),
    "crash.py": (HONEST.replace("return y", "return y.no_such_thing").encode(), "failed: run"),
    "rules.md": (FENCED.format("import os\n" + HONEST).encode(), "rejected: output_rules"),
    "syntax.py": (b"def f(:\n", "failed: parse"),
    "empty.md": (b"", "failed: extract"),
    "empty.py": (b"", "failed: extract"),
    "prose.md": (b"I cannot help with that.\n", "failed: extract"),
    "truncated.md": (f"```python\n{HONEST[:300]}".encode(), "failed: extract"),
    "diff.md": (b"```diff\n--- a\n+++ b\n@@ -1 +1 @@\n-x\n+y\n```\n", "failed: extract"),
    "bytes.md": (b"\xff\xfe\x00broken \xc3( text\n", "failed: extract"),
    "bytes_in_code.md": (FENCED.format(HONEST).encode() + b"\xff\xfe", "passed"),
    "nulls.py": (b"x = 1\x00\n", "failed: extract"),
    "huge_prose.md": (b"word " * 2_000_000, "failed: extract"),
    "huge_code.py": (b"x = 1\n" * 1_700_000, "failed: extract"),
}


def test_a_batch_with_every_kind_of_reply(place):
    folder = place / "replies"
    folder.mkdir()
    for name, (data, _) in BATCH.items():
        (folder / name).write_bytes(data)
    half_a_pair = {"problem": "affine", "model": "m", "sample": 3, "code": HONEST + "# \ud800\n"}
    (place / "lines.jsonl").write_text(json.dumps(half_a_pair) + "\n")
    where = ("--problem", "affine", "--gpu", "RTX 4090", "--device", "cpu")
    words = ("replies", "lines.jsonl", *where, "--json")

    _, lines, stderr = run(place, *words, code=1)
    assert "Traceback" not in stderr
    found = {Path(line["file"]).name: outcome(line) for line in lines}
    assert found.pop("lines.jsonl#1") in {"passed", "failed: parse", "failed: extract"}
    assert found == {name: expected for name, (_, expected) in BATCH.items()}
    assert all(set(line) >= FIXED for line in lines)
    assert {line["device"] for line in lines} == {"cpu"}
    assert {line["hashes"]["gpu"] for line in lines} == {load_gpu("4090").hash}
    by_name = {Path(line["file"]).name: line for line in lines}
    assert not by_name["wrong.md"]["cached"]
    passed = by_name["fenced.md"]
    told = [passed[name] for name in ("problem", "device", "timing", "model")]
    assert told == ["affine", "cpu", None, "local"]
    assert passed["tracks"]["open"] is True
    assert {"problem", "stage", "gpu", "prompt", "candidate"} <= set(passed["hashes"])
    rules = by_name["rules.md"]
    (violation,) = [v for v in rules["violations"] if v["rule"] == "imports"]
    assert (violation["line"], violation["reply_line"], violation["track"]) == (1, 4, "open")
    assert rules["tracks"] == {"open": False, "stage": False}

    _, again, _ = run(place, *words, code=1)
    assert all(line["cached"] for line in again)
    assert {line["file"]: outcome(line) for line in again} == {line["file"]: outcome(line) for line in lines}

    one = ("replies/rules.md", "--problem", "affine", "--device", "cpu", "--json")
    (off,) = run(place, *one, "--rules", "off", code=0)[1]
    assert (outcome(off), off["cached"], off["violations"]) == ("passed", False, [])
    (strict,) = run(place, *one, code=1)[1]
    assert (outcome(strict), strict["cached"]) == ("rejected: output_rules", True)
    (fresh,) = run(place, *one, "--rules", "off", "--fresh", code=0)[1]
    assert (outcome(fresh), fresh["cached"]) == ("passed", False)


def test_a_person_reads_a_sentence(place):
    (place / "a.py").write_text(HONEST)
    (place / "b.py").write_text(candidate("raise ValueError('\\x1b[31mred\\x07')"))
    words = ("a.py", "b.py", "--problem", "affine", "--device", "cpu", "--rules", "off")
    _, lines, _ = run(place, *words, code=1)
    good, bad = sorted(lines)
    assert good.startswith("a.py: passed, correct, not timed")
    with Store(place / "kernel-harness.db", read_only=True) as store:
        assert store.attempt(good.rpartition("attempt ")[2]).reply.source == "a.py"
    assert bad.startswith("b.py: failed (run), ValueError:")
    assert bad.isprintable()


def interrupt(place, words, how):
    """Send a signal once the first candidate has its line, and return how the command ended."""
    for name, text in {"1.py": HONEST, "2.py": ENDLESS, "3.py": candidate("return None")}.items():
        (place / name).write_text(text)
    with start(place, *words) as process:
        assert outcome(json.loads(process.stdout.readline())) == "passed"
        everything = processes_of(process.pid)
        process.send_signal(how)
        code, said = process.wait(20), process.stderr.read()
    assert "Traceback" not in said
    assert until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in everything))
    return code, said


THREE = ("1.py", "2.py", "3.py", "--problem", "affine", "--device", "cpu", "--json", "--rules", "off")


def test_what_is_interrupted_is_continued(place):
    code, said = interrupt(place, THREE, signal.SIGINT)
    assert code == 130
    assert "the same command continues" in said
    _, lines, _ = run(place, *THREE, "--call-timeout", "1", code=1)
    assert {line["file"]: (outcome(line), line["cached"]) for line in lines} == {
        "1.py": ("passed", True), "2.py": ("failed: timeout", False), "3.py": ("incorrect: type", False),
    }  # fmt: skip


def test_a_command_that_is_killed_loses_nothing(place):
    code, _ = interrupt(place, THREE, signal.SIGKILL)
    assert code == -signal.SIGKILL
    _, (line,), _ = run(place, "1.py", *THREE[3:], code=0)
    assert (outcome(line), line["cached"]) == ("passed", True)
    with closing(sqlite3.connect(place / "kernel-harness.db")) as store:
        assert store.execute("pragma integrity_check").fetchone() == ("ok",)


AFFINE = ("a.py", "--problem", "affine")
USAGE = {
    "an unknown problem": (["a.py", "--problem", "affinee"], 2, "affine"),
    "no problem": (["a.py"], 2, "--problem"),
    "a folder that is no problem": (["a.py", "--problem", "empty"], 2, "problem.toml"),
    "an unknown stage": ([*AFFINE, "--stage", "final_micro_tunin"], 2, "final_micro_tuning"),
    "an unknown device": ([*AFFINE, "--device", "tpu"], 2, "cpu"),
    "an unknown executor": ([*AFFINE, "--executor", "cloud"], 2, "ray://"),
    "GPUs where a CPU judges": ([*AFFINE, "--gpus", "0"], 2, "--jobs"),
    "unknown rules": ([*AFFINE, "--rules", "harsh"], 2, "strict"),
    "an unknown size": ([*AFFINE, "--size", "huge"], 2, "there are: "),
    "no such reply": (["no_such.py", "--problem", "affine"], 2, "no_such.py"),
    "no such code": ([*AFFINE, "--code", "no_such.py"], 2, "no_such.py"),
    "a store in no folder": ([*AFFINE, "--store", "no/such/s.db"], (2, 4), "no/such"),
    "a store that is a folder": ([*AFFINE, "--store", "empty"], (2, 4), "empty"),
    "a store that is no database": ([*AFFINE, "--store", "a.py"], (2, 4), "a.py"),
    "a store that cannot be written": ([*AFFINE, "--store", "/proc/s.db"], (2, 4), "/proc"),
}


@pytest.mark.parametrize(("words", "codes", "named"), USAGE.values(), ids=USAGE)
def test_wrong_words_are_told_before_anything_is_judged(place, words, codes, named):
    (place / "a.py").write_text("def f(:\n")
    (place / "empty").mkdir()
    code, lines, stderr = run(place, *words, *([] if "--device" in words else ["--device", "cpu"]))
    assert code in (codes if isinstance(codes, tuple) else (codes,)), stderr
    assert named in stderr
    assert "Traceback" not in stderr
    assert lines == []


@pytest.mark.skipif(cuda_device_name() is not None, reason="a CUDA GPU is here")
def test_a_gpu_that_is_not_there_is_the_machines_fault(place):
    (place / "a.py").write_text("def f(:\n")
    _, lines, stderr = run(place, "a.py", "--problem", "affine", "--device", "cuda", code=4)
    assert "--device cpu" in stderr
    assert lines == []


def test_a_reference_that_fails_is_our_failure_and_is_tried_again(place):
    reference = place / "affine/reference.py"
    good = reference.read_text()
    reference.write_text(good.replace("rows, columns)]", "missing_name)]"))
    (place / "a.py").write_text(HONEST)
    words = ("a.py", "--problem", "affine", "--device", "cpu", "--json", "--rules", "off")
    _, (line,), _ = run(place, *words, code=4)
    assert (line["status"], line["tracks"]) == ("error", {"open": None, "stage": None})
    assert "missing_name" in line["detail"]
    assert set(line) >= FIXED
    _, (again,), _ = run(place, *words, code=4)
    assert again["cached"] is False


INDEX = json.loads((REPLIES / "index.json").read_text())


SAMPLES = ("--problem", INDEX["problem"], "--stage", INDEX["stage"], "--device", "cpu", "--json")
QUICK = ("c_4.md", "c_5.md", "c_6.md", "c_9.md")
"""Samples that are decided without long scans in the interpreter."""


def agree(lines, names):
    expected = {entry["file"]: entry for entry in INDEX["replies"] if entry["file"] in names}
    found = {Path(line["file"]).name: line for line in lines}
    assert set(found) == set(expected)
    for name, entry in expected.items():
        statuses = entry["status_cpu"] if isinstance(entry["status_cpu"], list) else [entry["status_cpu"]]
        assert found[name]["status"] in statuses, found[name]
        passed = found[name]["status"] == "passed"
        assert found[name]["tracks"] == {"open": passed, "stage": passed and entry["stage_legal"]}, name


def test_some_sample_replies_get_the_verdicts_of_their_index(tmp_path):
    _, lines, _ = run(tmp_path, *(REPLIES / name for name in QUICK), *SAMPLES, code=1)
    agree(lines, QUICK)


@pytest.mark.slow
def test_all_sample_replies_get_the_verdicts_of_their_index(tmp_path):
    _, lines, _ = run(tmp_path, REPLIES, *SAMPLES, code=1)
    agree(lines, [entry["file"] for entry in INDEX["replies"]])
