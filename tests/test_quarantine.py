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
from harness.validate import Memory, Standing, standing_of_assay, standing_of_findings
from harness.validate.run import Finding

ROOT = Path(__file__).parent.parent
FILES = ROOT / "tests" / "kernelbench"


def finding(check, detail, *, ok):
    return Finding(problem="p", check=check, ok=ok, detail=detail)


SOFTMAX = FILES / "4_softmax_rows.py"


@pytest.mark.parametrize(
    ("found", "decided"),
    [
        ([finding("zeros: incorrect", "incorrect: far", ok=True)], [None]),
        ([finding("zeros: incorrect", "passed", ok=False)], ["accepts zeros"]),
        ([finding("zeros: incorrect", "failed: no memory", ok=False)], []),
        ([finding("zeros: incorrect", "error (ours): gone", ok=False)], []),
        (
            [finding("the reference agrees with itself", "incorrect: values", ok=False)],
            ["refuses its own reference"],
        ),
        ([finding("the solution passes", "incorrect: values", ok=False)], []),
    ],
)
def test_what_the_checks_of_a_folder_mean(found, decided):
    problem = load_problem(SOFTMAX).problem
    standing = standing_of_findings(problem, found)
    assert standing in [Standing(problem.hash, problem.name, reason) for reason in decided] or not decided
    assert (standing is None) == (not decided)


def test_what_the_attacks_on_files_mean():
    made = [
        Assay(problem="a", hash="1", status="sound"),
        Assay(problem="b", hash="2", status="quarantined", reason="accepts ones"),
        Assay(problem="c", hash="3", status="skipped", reason="needs a package"),
    ]
    assert [standing_of_assay(one) for one in made] == [("1", "a", None), ("2", "b", "accepts ones"), None]


def test_the_store_remembers_and_forgets(tmp_path):
    path = tmp_path / "s.db"
    memory = Memory(path)
    memory.keep(Standing("1", "a", None))
    memory.keep(None)
    assert not path.exists()
    memory.keep(Standing("1", "a", "accepts ones"))
    memory.keep(Standing("2", "a", "accepts zeros"))  # another text of the same name
    memory.keep(Standing("3", "b", None))
    with Store(path) as store:
        assert [store.quarantine_of(number) for number in "123"] == ["accepts ones", "accepts zeros", None]
    memory.keep(Standing("1", "a", None))
    with Store(path) as store:
        assert [store.quarantine_of(number) for number in "123"] == [None, "accepts zeros", None]
    assert memory.weak == ["a", "a"]


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
    problem, said = load_problem(SOFTMAX), []
    with Store(tmp_path / "s.db") as store, store.run("eval") as run:
        store.quarantine(problem.problem.hash, problem.name, "accepts ones")
        settings = JudgeSettings(device="cpu", problem=str(SOFTMAX))
        pipeline = Pipeline(settings, store, run, said.append)
        for sample in (1, 2):
            reply = attempt(sample, None).reply.model_copy(update={"text": "no code at all"})
            (judged,) = pipeline.judge([reply])
            assert judged.attempt.quarantined == "accepts ones"
    assert len(said) == 1
    assert said[0].startswith("warning: 4_softmax_rows is quarantined: accepts ones.")


def run_validate(folder, *words):
    pytest.importorskip("triton", reason="needs the extra `eval`")
    return subprocess.run(
        [sys.executable, "-c", "from harness.cli import main; main()", "validate", *map(str, words)],
        cwd=folder, env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}, capture_output=True, text=True,
        timeout=300, check=False,
    )  # fmt: skip


def test_validate_writes_into_the_store(tmp_path):
    weak = FILES / "bad" / "constant_answer.py"
    done = run_validate(tmp_path, weak, "--table", "made/table.md")
    assert (done.returncode, "quarantined" in done.stdout) == (1, True)
    assert "remembers as quarantined: constant_answer" in done.stderr
    assert "constant_answer" in (tmp_path / "made" / "table.md").read_text()
    with Store(tmp_path / "kernel-harness.db") as store:
        assert "accept" in store.quarantine_of(load_problem(weak).problem.hash)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--table", "table.csv"], 2, "a table is a .md or a .json file"),
        (["--table", "/proc/none/table.md"], 4, "cannot write there"),
        (["--store", "no.db"], 4, "no.db"),
    ],
)
def test_what_cannot_be_written_is_told_before_the_work(tmp_path, words, code, said):
    (tmp_path / "no.db").write_text("a note\n" * 100)
    done = run_validate(tmp_path, SOFTMAX, *words)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
