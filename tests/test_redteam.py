"""The red team: its corpus, its rule, and what gets past this very judge."""

import ast
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from eval.records import Failed, Guarantees, Incorrect, Limits, Passed, Quantity, Rejected, Speedup, Timing
from harness.errors import UsageError
from harness.redteam import CorpusFile, RedteamSettings, read_corpus, run, shipped
from harness.redteam.evidence import emptied, honest_twin
from harness.redteam.outcome import Evidence, needs_evidence, outcome

ROOT = Path(__file__).parent.parent
CORPUS = {Path(file.name).stem: file for file in shipped()}
LIMITS = Limits(seconds=120, call_seconds=30)

EXPENSIVE = {"h01", "h03", "h05", "h09", "G01", "G09", "G13"}
"""Ten seconds and more, or a whole time limit."""
BY_ITS_HONEST_PATH = {"C03", "D09", "D11", "E07", "E21", "G16"}
"""Cheats that find nothing to act on in a runner of their own; each is judged twice."""
PASSING = {
    "G11", "h07", "h11", "h13", "h15", "h17", "h20", "h22", "h23", "h24", "h25", "h26", "h27", "h28",
    "h29", "h30", "h31", "h32", "h33", "h34", "h35",
}  # fmt: skip
QUICK_PASSES = {"C03", "G11", "h15", "h17", "h27"}


def short(name):
    return name.partition("_")[0]


def chosen(names):
    return [file for name, file in CORPUS.items() if short(name) in names]


def test_the_corpus_is_whole():
    assert len(CORPUS) >= 124
    assert len({short(name) for name in CORPUS}) == len(CORPUS)
    for name, file in CORPUS.items():
        ast.parse(file.code)
        assert file.is_cheat == (file.name.startswith("cheats/") and file.expect != "slow-honest"), name


def test_headers_are_read(tmp_path):
    (tmp_path / "one.py").write_text(
        "# cheat: one\n# expect: reject-static\n# needs: gpu (2+)\n# problem: x\n"
    )
    (tmp_path / "README.md").write_text("not a candidate")
    (file,) = read_corpus([tmp_path])
    assert (file.name, file.expect, file.needs_gpu, file.problem) == (
        str(tmp_path / "one.py"), "reject-static", True, "x",
    )  # fmt: skip


@pytest.mark.parametrize("text", ["x = 1\n", "# expect: nothing\n", "\n" * 20 + "# expect: accept\n"])
def test_a_file_that_expects_nothing_is_refused(tmp_path, text):
    (tmp_path / "one.py").write_text(text)
    with pytest.raises(UsageError, match="begin with a line `# expect"):
        read_corpus([tmp_path / "one.py"])


def test_a_path_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        read_corpus([tmp_path / "none"])


def test_emptied_kernels_do_nothing():
    code = emptied(
        "@triton.autotune(configs=[])\n@triton.jit\ndef a(x):\n    tl.store(x, 1)\n"
        "@jit(debug=True)\ndef b(x):\n    tl.store(x, 2)\ndef c(x):\n    return x\n"
    )
    assert code.count("tl.store") == 0
    assert code.count("return\n") == 2
    assert "return x" in code


def test_the_honest_twin_keeps_the_honest_path_alone():
    twin = honest_twin(CORPUS["D07_precompute_on_input_creation"].code)
    assert "def excl_scan_rows" in twin
    assert "torch.rand" not in twin
    assert "return _scan(x, self.dim)" in twin
    assert honest_twin("def forward(): pass") is None


def timing(ms):
    quantity = Quantity(median=ms, low=ms, high=ms, samples=30)
    return Timing(candidate_ms=quantity, eager_ms=quantity, speedup=Speedup())


PASSED = Passed(device="cpu", guarantees=Guarantees(compiled_for="sm_90"))
WRONG = Incorrect(device="cpu", reason="values", defence="values")
LIBRARY = Rejected(device="cpu", reason="library_compute", defence="rule:library_compute")
ORDER = Rejected(device="cpu", reason="output_rules", defence="rule:order")
NO_INTERPRETER = Failed(device="cpu", phase="unsupported")
OWN = Evidence(compiles=True, without_kernels="incorrect")


def file(expect, *, needs_gpu=False):
    return CorpusFile(name="x.py", code="", expect=expect, needs_gpu=needs_gpu)


@pytest.mark.parametrize(
    ("expect", "verdict", "with_static", "without"),
    [
        ("accept", PASSED, True, True),
        ("accept", WRONG, False, False),
        ("accept", ORDER, False, False),
        ("accept", NO_INTERPRETER, True, True),
        ("output-rule", ORDER, True, False),
        ("output-rule", PASSED, False, True),
        ("output-rule", LIBRARY, False, False),
        ("slow-honest", PASSED, True, True),
        ("slow-honest", ORDER, True, False),
        ("slow-honest", LIBRARY, False, False),
        ("reject-static", LIBRARY, True, True),
        ("reject-static", WRONG, True, True),
        ("reject-static", PASSED, False, False),
        ("reject-runtime", WRONG, True, True),
        ("reject-runtime", PASSED, False, False),
    ],
)
def test_what_is_as_it_should_be(expect, verdict, with_static, without):
    assert outcome(file(expect), verdict, static=True).ok is with_static
    assert outcome(file(expect), verdict, static=False).ok is without


@pytest.mark.parametrize(
    ("expect", "static", "device", "ok"),
    [
        ("reject-runtime", True, "cpu", True),
        ("reject-runtime", False, "cpu", True),
        ("reject-static", False, "cpu", True),
        ("reject-static", True, "cpu", False),
        ("reject-runtime", False, "cuda", False),
        ("reject-static", False, "cuda", False),
    ],
)
def test_what_needs_a_gpu_is_not_exercised_without_one(expect, static, device, ok):
    verdict = PASSED.model_copy(update={"device": device})
    found = outcome(file(expect, needs_gpu=True), verdict, static=static)
    assert found.ok is ok
    assert ("not exercised here" in found.note) is ok


@pytest.mark.parametrize(
    ("evidence", "ok"),
    [
        (OWN, True),
        (OWN.model_copy(update={"compiles": False}), False),
        (OWN.model_copy(update={"without_kernels": "passed"}), False),
        (OWN.model_copy(update={"without_kernels": "failed"}), False),
        (OWN.model_copy(update={"time_ms": 3.0}), False),
        (OWN.model_copy(update={"time_ms": 3.0, "honest_ms": 3.1}), True),
        (OWN.model_copy(update={"time_ms": 3.0, "honest_ms": 6.0}), False),
    ],
)
def test_a_pass_of_a_cheat_must_be_backed_by_evidence(evidence, ok):
    assert needs_evidence(file("reject-static"), PASSED, static=False)
    assert outcome(file("reject-static"), PASSED, static=False, evidence=evidence).ok is ok


def test_an_honest_path_that_is_refused_is_told():
    evidence = OWN.model_copy(update={"time_ms": 3.0, "honest_refused": "rejected: the clocks disagree"})
    found = outcome(file("reject-static"), PASSED, static=False, evidence=evidence)
    assert not found.ok
    assert "the clocks disagree" in found.note


@pytest.mark.parametrize(
    ("expect", "verdict", "static"),
    [
        ("reject-static", PASSED, True),
        ("reject-runtime", PASSED, False),
        ("reject-static", WRONG, False),
        ("accept", PASSED, False),
    ],
)
def test_nothing_else_is_looked_at_twice(expect, verdict, static):
    assert not needs_evidence(file(expect), verdict, static=static)


def judged(names, slots=2, **settings):
    pytest.importorskip("triton", reason="needs the extra `eval`")
    settings = RedteamSettings(device="cpu", limits=LIMITS, slots=slots, **settings)
    return {short(Path(found.file).stem): found for found in run(chosen(names), settings)}


def test_rules_refuse_what_they_must():
    names = {short(name) for name, entry in CORPUS.items() if entry.expect == "reject-static"}
    found = judged(names, slots=1)
    assert set(found) == names
    assert {
        name: entry.defence for name, entry in found.items() if not entry.defence.startswith("rule:")
    } == {}
    assert all(entry.ok for entry in found.values())


def test_running_refuses_what_rules_do_not():
    names = {short(name) for name, entry in CORPUS.items() if entry.expect == "reject-runtime"}
    found = judged(names - EXPENSIVE | QUICK_PASSES - {"C03"})
    assert {name: (entry.status, entry.note) for name, entry in found.items() if not entry.ok} == {}


def test_structure_and_audits_alone_let_no_cheat_score():
    rest = {short(name) for name in CORPUS} - EXPENSIVE - BY_ITS_HONEST_PATH - PASSING
    on_gpu = {short(name) for name, entry in CORPUS.items() if entry.needs_gpu}
    found = judged(rest - on_gpu | QUICK_PASSES, rules="off")
    assert {name: (entry.status, entry.note) for name, entry in found.items() if not entry.ok} == {}
    passed = {name for name, entry in found.items() if entry.status == "passed"}
    assert passed == QUICK_PASSES
    assert "its own kernels computed the answer" in found["C03"].note


def test_without_audits_library_answers_score():
    found = judged({"A01"}, slots=1, rules="off", audits=False)["A01"]
    assert (found.status, found.ok) == ("passed", False)
    assert found.note == "a cheat passed with kernels that were not shown to compile"


CALL = "from harness.cli import main; main()"


def redteam(*words):
    return subprocess.run(
        [sys.executable, "-c", CALL, "redteam", "--device", "cpu", "--json", *map(str, words)],
        cwd=ROOT, capture_output=True, text=True, timeout=3000, check=False,
    )  # fmt: skip


def test_an_interrupt_waits_for_no_file(tmp_path):
    pytest.importorskip("triton", reason="needs the extra `eval`")
    (tmp_path / "0.py").write_text("# expect: reject-static\ndef f(:\n")
    for number in range(1, 20):
        (tmp_path / f"{number}.py").write_text(CORPUS["G01_infinite_loop_forward"].code)
    words = ["--device", "cpu", "--jobs", "1", "--no-static"]
    program = [sys.executable, "-c", CALL, "redteam", str(tmp_path), *words]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert "0.py" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert (process.returncode, "Traceback" in said) == (130, False)


def test_the_command_tells_each_file_and_ends_with_1_where_one_is_wrong(tmp_path):
    pytest.importorskip("triton", reason="needs the extra `eval`")
    honest = CORPUS["A01_torch_fallback_unused_kernel"].code
    (tmp_path / "a.py").write_text(honest)
    (tmp_path / "b.py").write_text(honest.replace("# expect: reject-static", "# expect: accept"))
    done = redteam(tmp_path / "a.py", tmp_path / "b.py")
    assert done.returncode == 1
    first, second = (json.loads(line) for line in done.stdout.splitlines())
    assert {"file", "expect", "status", "reason", "defence", "ok"} <= set(first)
    assert (first["status"], first["defence"], first["ok"]) == ("rejected", "rule:library_compute", True)
    assert (second["expect"], second["ok"]) == ("accept", False)
    assert "2 files, 1 not as they should be" in done.stderr
    assert redteam(tmp_path / "a.py").returncode == 0
    assert redteam(tmp_path / "none.py").returncode == 2


@pytest.mark.slow
@pytest.mark.parametrize("words", [(), ("--no-static",)], ids=["strict", "no-static"])
def test_the_whole_corpus(words):
    done = redteam(*words)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line for line in lines if not line["ok"]] == []
    assert len(lines) == len(CORPUS)
    assert done.returncode == 0
