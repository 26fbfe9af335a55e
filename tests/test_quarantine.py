"""Quarantined problems: what `validate` finds is remembered, warned of, and marked beside scores."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from sample_attempts import attempt, filled, passed, timing

from eval.assay import Assay
from harness.leaderboard import as_json_lines, as_markdown
from harness.pipeline import JudgeSettings, Pipeline
from harness.problems import load_problem
from harness.report.sections import sections
from harness.scores import left_out, left_out_text, overall_table, score_table
from harness.store import Store
from harness.validate import reasons_of_assays, reasons_of_findings, remember
from harness.validate.run import Finding

ROOT = Path(__file__).parent.parent
FILES = ROOT / "tests" / "kernelbench"


def finding(check, detail, *, ok):
    return Finding(problem="p", check=check, ok=ok, detail=detail)


@pytest.mark.parametrize(
    ("found", "reasons"),
    [
        ([finding("zeros: incorrect", "incorrect: far", ok=True)], {"p": None}),
        ([finding("zeros: incorrect", "passed", ok=False)], {"p": "accepts zeros"}),
        ([finding("zeros: incorrect", "failed: no memory", ok=False)], {}),
        ([finding("zeros: incorrect", "error (ours): gone", ok=False)], {}),
        (
            [finding("the reference agrees with itself", "incorrect: values", ok=False)],
            {"p": "refuses its own reference"},
        ),
        ([finding("the solution passes", "incorrect: values", ok=False)], {}),
    ],
)
def test_what_the_checks_of_a_folder_mean(found, reasons):
    assert reasons_of_findings(found) == reasons


def test_what_the_attacks_on_files_mean():
    made = [
        Assay(problem="a", hash="1", status="sound"),
        Assay(problem="b", hash="2", status="quarantined", reason="accepts ones"),
        Assay(problem="c", hash="3", status="skipped", reason="needs a package"),
    ]
    assert reasons_of_assays(made) == {"a": None, "b": "accepts ones"}


def test_the_store_remembers_and_forgets(tmp_path):
    problem, path = load_problem(FILES / "4_softmax_rows.py"), tmp_path / "s.db"
    remember(path, [problem], {problem.name: None})
    assert not path.exists()
    remember(path, [problem], {problem.name: "accepts ones"})
    with Store(path) as store:
        assert store.quarantine_of(problem.problem.hash) == "accepts ones"
    remember(path, [problem], {})
    remember(path, [load_problem("softmax")], {"softmax": None})
    with Store(path) as store:
        assert store.quarantine_of(problem.problem.hash) == "accepts ones"
    remember(path, [problem], {problem.name: None})
    with Store(path) as store:
        assert store.quarantine_of(problem.problem.hash) is None


@pytest.fixture
def weak(tmp_path):
    rows = [
        attempt(1, passed(timing(3.0))),
        attempt(2, None),
        attempt(3, passed(timing(2.0)), problem="other"),
    ]
    with filled(tmp_path / "s.db", rows) as store:
        before = store.fingerprint()
        store.quarantine("h", "scan", "accepts |ones|")
        assert store.fingerprint() != before
    return tmp_path / "s.db"


def test_scores_are_marked_everywhere(weak):
    with Store(weak, read_only=True) as store:
        facts = list(store.facts())
        assert {one.quarantined for one in store.attempts()} == {"accepts |ones|", None}
    rows = [json.loads(line) for line in as_json_lines(score_table(facts)).splitlines()]
    assert {row["quarantined"] for row in rows} == {"accepts |ones|"}
    assert {row["attempts"] for row in rows if row["problem"] == "scan"} == {2}
    assert "scan · NVIDIA H100 80GB HBM3 · QUARANTINED: accepts |ones|" in as_markdown(score_table(facts))
    assert overall_table(facts) == ()
    assert "Quarantined, on boards that say so" in left_out_text(left_out(facts))
    page = sections(facts)
    assert (page.strips, page.figures[3].value) == ((), "\N{EN DASH}")
    assert all("QUARANTINED" in board.title for board in page.boards)


def test_who_judges_on_it_is_warned_once(tmp_path):
    problem, said = load_problem(FILES / "4_softmax_rows.py"), []
    with Store(tmp_path / "s.db") as store, store.run("eval") as run:
        store.quarantine(problem.problem.hash, problem.name, "accepts ones")
        settings = JudgeSettings(device="cpu", problem=str(FILES / "4_softmax_rows.py"))
        pipeline = Pipeline(settings, store, run, said.append)
        for sample in (1, 2):
            reply = attempt(sample, None).reply.model_copy(update={"text": "no code at all"})
            (judged,) = pipeline.judge([reply])
            assert judged.attempt.quarantined == "accepts ones"
    assert len(said) == 1
    assert said[0].startswith("warning: 4_softmax_rows is quarantined: accepts ones.")


def test_validate_writes_into_the_store(tmp_path):
    pytest.importorskip("triton", reason="needs the extra `eval`")
    weak = FILES / "bad" / "constant_answer.py"
    done = subprocess.run(
        [sys.executable, "-c", "from harness.cli import main; main()", "validate", str(weak)],
        cwd=tmp_path, env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}, capture_output=True, text=True,
        timeout=300, check=False,
    )  # fmt: skip
    assert (done.returncode, "quarantined" in done.stdout) == (1, True)
    with Store(tmp_path / "kernel-harness.db") as store:
        assert "accept" in store.quarantine_of(load_problem(weak).problem.hash)
