import csv
import io
import json

import pytest
from rich.console import Console
from sample_attempts import H100, attempt, failed, filled, incorrect, passed, rejected, timing
from typer.testing import CliRunner

from harness import scores
from harness.cli import app
from harness.errors import UsageError
from harness.leaderboard import as_csv, as_json_lines, as_markdown, as_tables
from harness.scores import SCORE_VERSION, facts_of
from harness.store import Store

ATTEMPTS = [
    attempt(1, passed(timing(3.0, 1.6, 2.5, fraction=0.9), stage=False), model="wide|model"),
    attempt(2, passed(timing(1.2, None, 1.0)), model="wide|model"),
    attempt(3, rejected(), model="wide|model"),
    attempt(4, None, model="other"),
    attempt(5, passed(device="cpu", stage=None), model="laptop", run="r2"),
]


def score_table(attempts):
    return scores.score_table(map(facts_of, attempts))


def test_baselines_of_the_session_stand_apart_and_are_marked():
    table = score_table(
        [
            attempt(1, passed(timing(2.0)), model="a"),
            attempt(2, passed(timing(9.0)), model="b", baselines="session"),
        ]
    )
    rows = [json.loads(line) for line in as_json_lines(table).splitlines()]
    assert {(row["model"], row["baselines"], row["rank"]) for row in rows} == {
        ("a", "live", 1),
        ("b", "session", 1),
    }
    assert {row["baselines"] for row in csv.DictReader(io.StringIO(as_csv(table)))} == {"live", "session"}
    live, session = as_markdown(table).split("### ")[1:]
    assert "of the session" not in live
    assert "baselines of the session" in session.splitlines()[0]
    assert [table.title.plain for table in as_tables(table, 80)] == [
        live.splitlines()[0],
        session.splitlines()[0],
    ]


def test_the_fixed_fields_of_a_json_line():
    rows = [json.loads(line) for line in as_json_lines(score_table(ATTEMPTS)).splitlines()]
    (row,) = (r for r in rows if (r["model"], r["track"]) == ("wide|model", "open"))
    assert (row["problem"], row["gpu"], row["attempts"]) == ("scan", H100, 3)
    assert row["correct_rate"] == pytest.approx(2 / 3)
    assert row["fast_p"]["eager"]["1"] == pytest.approx(2 / 3)
    assert row["fast_p"]["eager"]["2"] == pytest.approx(1 / 3)
    assert row["best_speedup"] == {"eager": 3.0, "compile": 1.6, "current": 2.5}
    assert row["score_version"] == SCORE_VERSION


def test_a_cpu_row_says_null_and_never_zero():
    rows = [json.loads(line) for line in as_json_lines(score_table(ATTEMPTS)).splitlines()]
    (row,) = (r for r in rows if (r["model"], r["track"]) == ("laptop", "open"))
    assert (row["gpu"], row["device"], row["correct_rate"]) == (None, "cpu", 1.0)
    assert set(row["fast_p"]["eager"].values()) == {None}
    assert set(row["best_speedup"].values()) == {None}


def test_a_model_with_our_errors_alone_has_a_row_without_a_rate():
    rows = [json.loads(line) for line in as_json_lines(score_table(ATTEMPTS)).splitlines()]
    (row,) = (r for r in rows if (r["model"], r["track"]) == ("other", "open"))
    assert (row["gpu"], row["errors"], row["correct_rate"]) == (H100, 1, None)


def test_csv_has_the_numbers_of_the_json_lines():
    scores = score_table(ATTEMPTS)
    rows = list(csv.DictReader(io.StringIO(as_csv(scores))))
    assert len(rows) == len(scores)
    (row,) = (r for r in rows if (r["model"], r["track"]) == ("wide|model", "open"))
    assert (float(row["best_speedup_eager"]), row["passed"], row["rejected"]) == (3.0, "2", "1")
    (cpu,) = (r for r in rows if (r["model"], r["track"]) == ("laptop", "open"))
    assert (cpu["best_speedup_eager"], cpu["fast_1_eager"], cpu["gpu"]) == ("", "", "")


def test_markdown_escapes_what_would_end_a_cell():
    text = as_markdown(score_table(ATTEMPTS))
    assert "wide\\|model" in text
    assert "not timed" in text
    for block in text.split("### ")[1:]:
        rows = [line.replace("\\|", "") for line in block.splitlines() if line.startswith("|")]
        assert len({row.count("|") for row in rows}) == 1


@pytest.mark.parametrize("width", [80, 100, 140])
def test_tables_fit_the_terminal_and_name_every_model(width):
    out = io.StringIO()
    console = Console(file=out, width=width)
    for table in as_tables(score_table(ATTEMPTS), width):
        console.print(table)
    text = out.getvalue()
    assert all(len(line) <= width for line in text.splitlines())
    for word in ("wide|model", "other", "laptop", "not timed", "open", "stage", "errors", H100):
        assert word in text
    assert ("compile" in text) == (width >= 140)


def test_a_model_name_cannot_steer_the_terminal():
    scores = score_table([attempt(1, incorrect(), model="a\x1b[31mb")])
    console = Console(file=(out := io.StringIO()), width=140)
    for table in as_tables(scores, 140):
        console.print(table)
    assert "\x1b" not in out.getvalue()


@pytest.fixture
def store(tmp_path):
    path = tmp_path / "results.db"
    filled(path, ATTEMPTS).close()
    return path


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], standalone_mode=False)


def test_the_command_prints_json_lines(store):
    result = run("leaderboard", "--store", store, "--json", "--track", "open")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert {row["model"]: row["gpu"] for row in rows} == {"wide|model": H100, "other": H100, "laptop": None}
    assert {row["track"] for row in rows} == {"open"}


@pytest.mark.parametrize(("form", "beginning"), [("--csv", "model,problem,gpu,track"), ("--md", "### scan")])
def test_the_other_forms(store, form, beginning):
    assert run("leaderboard", "--store", store, form).stdout.startswith(beginning)


def test_the_table_is_the_default(store):
    assert "wide|model" in run("leaderboard", "--store", store).stdout


def test_struck_attempts_are_named_on_stderr(store):
    with Store(store) as opened:
        victim = next(opened.attempts(model="laptop"))
        opened.void(victim.id, "not a laptop")
    result = run("leaderboard", "--store", store, "--json")
    assert "laptop" not in result.stdout
    assert "Not counted: 1 voided." in result.stderr


def test_an_empty_store_prints_nothing_and_says_so(tmp_path):
    with Store(tmp_path / "empty.db"):
        pass
    result = run("leaderboard", "--store", tmp_path / "empty.db", "--json")
    assert (result.stdout, result.exception) == ("", None)
    assert "no attempts" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--json", "--csv"], "one of"),
        (["--problem", "scam"], "nearest: scan"),
        (["--stage", "tunning"], "nearest: tuning"),
    ],
)
def test_what_the_user_got_wrong_is_said(store, arguments, message):
    result = run("leaderboard", "--store", store, *arguments)
    assert isinstance(result.exception, UsageError)
    assert message in str(result.exception)


def test_a_missing_store_is_not_made(tmp_path):
    result = run("leaderboard", "--store", tmp_path / "none.db")
    assert isinstance(result.exception, UsageError)
    assert list(tmp_path.iterdir()) == []


def test_all_failed():
    scores = score_table([attempt(1, failed("extract")), attempt(2, incorrect())])
    (row,) = (json.loads(line) for line in as_json_lines(scores).splitlines() if '"open"' in line)
    assert (row["correct_rate"], row["best_speedup"]["eager"], row["fast_p"]["eager"]["0"]) == (
        0.0,
        None,
        0.0,
    )


def test_stale_rows_are_named_on_stderr_and_shown_when_asked_for(tmp_path):
    path = tmp_path / "s.db"
    filled(path, [attempt(1, passed(timing(9.0)), stage=None, evaluator="0")]).close()
    filled(path, [attempt(2, passed(timing(2.0)), stage=None)]).close()
    fresh = run("leaderboard", "--store", path, "--json")
    both = run("leaderboard", "--store", path, "--json", "--stale")
    assert [json.loads(line)["stale"] for line in fresh.stdout.splitlines()] == [False]
    assert [json.loads(line)["stale"] for line in both.stdout.splitlines()] == [False, True]
    assert "1 judged by an older evaluator" in fresh.stderr
    assert "stale: evaluator 0" in run("leaderboard", "--store", path, "--stale").stdout


def test_a_row_over_all_problems(tmp_path):
    path = tmp_path / "s.db"
    rows = [attempt(n, passed(timing(2.0)), stage=None, problem=name) for n, name in enumerate("ab")]
    filled(path, rows).close()
    (line,) = run("leaderboard", "--store", path, "--overall", "--json").stdout.splitlines()
    row = json.loads(line)
    assert (row["problem"], row["problems"], row["correct_rate"]) == (None, 2, 1.0)
    assert row["correct_low"] == pytest.approx(0.342, abs=1e-3)  # two problems prove little
    assert "all problems" in run("leaderboard", "--store", path, "--overall").stdout


def test_the_intervals_in_a_json_line():
    rows = [attempt(n, passed(timing(2.0 + n)), stage=None) for n in range(6)]
    (row,) = (json.loads(line) for line in as_json_lines(score_table(rows)).splitlines())
    assert row["mean_speedup_low"]["eager"] < row["mean_speedup"]["eager"] < row["mean_speedup_high"]["eager"]
    assert (row["pass_at"]["5"], row["pass_at"]["10"]) == (1.0, None)
    assert 2.0 < row["best_at"]["1"] < row["best_at"]["5"] < 7.0
    assert row["fast_p_low"]["eager"]["1"] == row["correct_low"]
