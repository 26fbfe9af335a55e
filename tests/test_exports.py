"""Attempts as rows for other tools, and one attempt as evidence that somebody else can judge."""

import csv
import io
import json
import os
import shlex
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest
from sample_attempts import H100, attempt, failed, filled, incorrect, passed, prompt, rejected, timing
from typer.testing import CliRunner

from eval.records import Violation
from harness.cli import app
from harness.errors import UsageError
from harness.exports.columns import COLUMNS
from harness.extract import extract
from harness.problems import load_problem
from harness.records import Candidate, Reply
from harness.store import Store

ROOT = Path(__file__).parent.parent
PROBLEM = "cumsum_exclusive"
IMPORTS = Violation(rule="imports", track="open", severity="error", message="m", line=1)
ROWS = [
    attempt(1, passed(timing(3.0, 1.5, fraction=0.9)), problem=PROBLEM),
    attempt(2, incorrect(), problem=PROBLEM),
    attempt(3, rejected(violations=(IMPORTS, IMPORTS)), problem=PROBLEM),
    attempt(4, failed("compile"), problem=PROBLEM),
    attempt(5, None, problem=PROBLEM),
    attempt(6, passed(), problem=PROBLEM),
]


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], standalone_mode=False)


@pytest.fixture
def store(tmp_path):
    path = tmp_path / "s.db"
    filled(path, ROWS).close()
    return path


def exported(store, form, tmp_path, *options):
    target = tmp_path / f"out.{form}"
    result = run("export", "--format", form, "--output", target, "--store", store, *options)
    assert result.exception is None
    return target


def test_csv_has_a_line_an_attempt_and_says_what_is_not_measured(store, tmp_path):
    rows = list(csv.DictReader(io.StringIO(exported(store, "csv", tmp_path).read_text())))
    assert list(rows[0]) == list(COLUMNS)
    assert [row["status"] for row in rows] == ["passed", "incorrect", "rejected", "failed", "", "passed"]
    first, third = rows[0], rows[2]
    assert (first["speedup_eager"], first["speedup_current"], first["gpu"]) == ("3.0", "", H100)
    assert (first["open"], third["open"], third["broken"], rows[4]["open"]) == (
        "true",
        "false",
        "imports",
        "",
    )


def test_csv_on_stdout_and_chosen_attempts(store):
    result = run("export", "--format", "csv", "--model", "nobody", "--store", store)
    assert result.stdout.splitlines() == [",".join(COLUMNS)]


@pytest.mark.parametrize("name", ["=1+1", "@SUM(A1)", "-x", "+x"])
def test_a_model_cannot_put_a_formula_into_a_spreadsheet(tmp_path, name):
    path = tmp_path / "s.db"
    filled(path, [attempt(1, incorrect(), model=name)]).close()
    (row,) = csv.DictReader(io.StringIO(run("export", "--format", "csv", "--store", path).stdout))
    assert row["model"] == f"'{name}"


def test_parquet_has_the_same_rows_with_types(store, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs the extra `parquet`")
    table = parquet.read_table(exported(store, "parquet", tmp_path))
    assert table.column_names == list(COLUMNS)
    rows = table.to_pylist()
    assert [row["status"] for row in rows] == ["passed", "incorrect", "rejected", "failed", None, "passed"]
    assert (rows[0]["speedup_eager"], rows[0]["open"], rows[4]["open"]) == (3.0, True, None)


def test_kernelbench_knows_the_problem_by_its_number(store, tmp_path):
    results = json.loads(exported(store, "kernelbench", tmp_path).read_text())
    assert list(results) == ["92"]
    samples = {sample["sample_id"]: sample for sample in results["92"]}
    assert sorted(samples) == [1, 2, 3, 4, 6]
    shown = {n: (s["compiled"], s["correctness"], s["runtime"]) for n, s in samples.items()}
    assert shown == {
        1: (True, True, pytest.approx(3.0)),
        2: (True, False, -1.0),
        3: (False, False, -1.0),
        4: (False, False, -1.0),
        6: (True, True, -1.0),
    }
    assert samples[1]["metadata"]["hardware"] == H100


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (attempt(9, incorrect(), model="other"), "one model, not m, other"),
        (attempt(9, incorrect(gpu="NVIDIA L4")), "one GPU"),
    ],
)
def test_kernelbench_holds_one_model_on_one_gpu(store, other, message):
    filled(store, [other]).close()
    result = run("export", "--format", "kernelbench", "--store", store)
    assert isinstance(result.exception, UsageError)
    assert message in str(result.exception)


CODE = (ROOT / "reference_solutions/cumsum_exclusive/solution.py").read_text(encoding="utf-8")


def evidence(text, verdict, **fields):
    reply = Reply(model="m", sample=3, text=text, source="a.md", prompt_hash=prompt().hash, gpu="4090")
    found = extract(text, is_code=False)
    assert isinstance(found, Candidate)
    return attempt(
        1, verdict, problem=PROBLEM, stage="final_micro_tuning", reply=reply, candidate=found, **fields
    )


@pytest.fixture
def bundle(tmp_path):
    samples = {"candidate": (3.01, 3.02), "eager": (9.0, 9.1)}
    verdict = passed(
        timing(3.0, samples_ms=samples), problem_hash=load_problem(PROBLEM).problem.hash, stage=None
    )
    path, folder = tmp_path / "s.db", tmp_path / "bundle"
    with filled(path, [evidence(f"Here:\n\n```python\n{CODE}```\n", verdict)]) as opened:
        name = next(opened.attempts()).id
    result = run("export", "--bundle", name[:8], "--output", folder, "--store", path)
    assert (result.stdout, result.exception) == (f"{folder}\n", None)
    return folder


def test_a_bundle_holds_all_that_led_to_the_verdict(bundle):
    assert (bundle / "candidate.py").read_text() == CODE
    assert (bundle / "prompt.txt").read_text() == prompt().text
    assert (bundle / "current.py").read_text() == prompt().code
    assert (bundle / "samples.csv").read_text().splitlines()[:3] == [
        "role,order,ms",
        "candidate,0,3.01",
        "candidate,1,3.02",
    ]
    assert json.loads((bundle / "verdict.json").read_text())["status"] == "passed"
    assert json.loads((bundle / "environment.json").read_text())["gpu"] == H100
    manifest = json.loads((bundle / "manifest.json").read_text())
    files = {p.relative_to(bundle).as_posix(): p for p in bundle.rglob("*") if p.is_file()}
    assert set(manifest) == set(files) - {"manifest.json"}
    assert all(sha256(files[name].read_bytes()).hexdigest() == digest for name, digest in manifest.items())


def test_the_problem_and_the_candidate_of_a_bundle_are_the_ones_that_were_judged(bundle):
    assert load_problem(str(bundle / "problem")).problem.hash == load_problem(PROBLEM).problem.hash
    found = extract((bundle / "reply.md").read_text(), is_code=False)
    assert isinstance(found, Candidate)
    assert found.code == CODE


def test_a_bundle_goes_into_no_folder_that_holds_something(bundle, tmp_path):
    with Store(tmp_path / "s.db", read_only=True) as opened:
        name = next(opened.attempts()).id
    result = run("export", "--bundle", name, "--output", bundle, "--store", tmp_path / "s.db")
    assert isinstance(result.exception, UsageError)
    assert "not empty" in str(result.exception)


@pytest.mark.parametrize(
    ("verdict", "message"),
    [(passed(problem_hash="older"), "another text of cumsum_exclusive"), (None, "no verdict")],
)
def test_what_cannot_be_judged_again_is_no_evidence(tmp_path, verdict, message):
    path = tmp_path / "s.db"
    with filled(path, [attempt(1, verdict, problem=PROBLEM)]) as opened:
        name = next(opened.attempts()).id
    result = run("export", "--bundle", name, "--output", tmp_path / "b", "--store", path)
    assert isinstance(result.exception, UsageError)
    assert message in str(result.exception)
    assert not (tmp_path / "b").exists()


@pytest.mark.slow
def test_the_command_in_a_bundle_judges_again(bundle):
    pytest.importorskip("triton", reason="needs the extra `eval`")
    (line,) = (line for line in (bundle / "README.md").read_text().splitlines() if " eval " in line)
    words = shlex.split(line.replace("--device cuda", "--device cpu").replace("--code current.py ", ""))
    code = "from harness.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *words[1:]],
        cwd=bundle,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "passed"
