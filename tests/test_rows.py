"""Rows of other data sets as replies, submissions with a header, and what others read of ours."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from sample_attempts import attempt, failed, filled, incorrect, passed, prompt, timing
from typer.testing import CliRunner

from harness.cli import app
from harness.errors import UsageError
from harness.inputs import read_replies
from harness.inputs.kernelbench_results import read_results
from harness.inputs.popcorn import read_header
from harness.inputs.rows import load_columns, read_rows, shipped_columns
from harness.problems import load_problem

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = load_problem("cumsum_exclusive").problem.reference
CODE = "class ModelNew: pass\n"
REPLY = f"```python\n{CODE}```\n"
SETS = {
    "verl": {
        "data_source": "d", "response": REPLY, "reward_model": {"ground_truth": REFERENCE, "style": "rule"},
    },
    "kernelbook": {"python_code": REFERENCE, "triton_code": CODE, "entry_point": "Model"},
    "trl": {"prompt": "p", "completion": REPLY, "problem": "cumsum_exclusive"},
    "exported": {
        "reply": REPLY, "problem": "cumsum_exclusive", "model": "m", "sample": 3, "stage": "seed",
        "gpu": "h100",
    },
}  # fmt: skip


def written(path, rows):
    if path.suffix == ".parquet":
        pa = pytest.importorskip("pyarrow", reason="needs the extra `parquet`")
        from pyarrow import parquet

        parquet.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def command(*words, code=0):
    result = CliRunner().invoke(app, [str(word) for word in words], standalone_mode=False)
    assert result.exit_code == code, result.output
    return result.stdout


@pytest.mark.parametrize("kind", [".jsonl", ".parquet"])
@pytest.mark.parametrize("name", SETS)
def test_every_shipped_mapping_reads_its_set(tmp_path, name, kind):
    path = written(tmp_path / f"rows{kind}", [SETS[name]])
    lines = command("rows", path, "--columns", name)
    (tmp_path / "replies.jsonl").write_text(lines)
    (reply,) = read_replies([tmp_path / "replies.jsonl"])
    assert (reply.problem, reply.is_code) == ("cumsum_exclusive", name == "kernelbook")
    assert reply.text == (CODE if reply.is_code else REPLY)
    if name == "exported":
        assert (reply.model, reply.sample, reply.stage, reply.gpu) == ("m", 3, "seed", "h100")


def test_a_mapping_of_ones_own(tmp_path):
    assert set(shipped_columns()) == set(SETS)
    mapping = tmp_path / "mine.toml"
    mapping.write_text(
        'code = "answer.text"\nproblem = "task"\nproblems = { Scan = "cumsum_exclusive" }\n'
        'constants = { model = "theirs", stage = "seed" }\n'
    )
    rows = [{"task": "Scan", "answer": {"text": CODE}}, {"task": "Scan", "answer": {"text": None}}]
    (reply,) = read_rows(written(tmp_path / "rows.jsonl", rows), load_columns(str(mapping)))
    assert (reply.problem, reply.model, reply.stage, reply.text) == (
        "cumsum_exclusive",
        "theirs",
        "seed",
        CODE,
    )


WRONG = {
    "no code": ("problem = 'x'", "give either code or reply"),
    "no problem": ("code = 'x'", "give problem, reference"),
    "unknown key": ("code = 'x'\nproblem = 'y'\ncolour = 'z'", "unknown key 'colour'"),
    "constant": ("code = 'x'\nconstants = { problem = 'y', colour = 'z' }", "constants.colour"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_mapping_that_makes_no_sense(tmp_path, name):
    text, words = WRONG[name]
    (tmp_path / "wrong.toml").write_text(text)
    with pytest.raises(UsageError, match=words):
        load_columns(str(tmp_path / "wrong.toml"))
    with pytest.raises(UsageError, match="unknown columns 'kernelbok'; the nearest: kernelbook"):
        load_columns("kernelbok")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"triton_code": 1}\n', "no problem here has its reference|there is no column 'python_code'"),
        (
            '{"python_code": "class Model: pass", "triton_code": "x"}\n',
            "#1: no problem here has its reference",
        ),
        ('{"other": 1}\n', "#1: there is no column 'triton_code'; there are: other"),
        ("[1]\n", "#1: give one JSON object a line"),
        ("{\n", "#1: not valid JSON"),
    ],
)
def test_rows_that_do_not_fit_are_named(tmp_path, content, words):
    (tmp_path / "rows.jsonl").write_text(content)
    with pytest.raises(UsageError, match=words):
        list(read_rows(tmp_path / "rows.jsonl", load_columns("kernelbook")))
    (tmp_path / "rows.parquet").write_text("no Parquet")
    pytest.importorskip("pyarrow", reason="needs the extra `parquet`")
    with pytest.raises(UsageError, match="not Parquet"):
        list(read_rows(tmp_path / "rows.parquet", load_columns("kernelbook")))
    with pytest.raises(UsageError, match="lines of JSON"):
        list(read_rows(tmp_path / "rows.csv", load_columns("kernelbook")))


def test_a_kernelbench_run_with_its_results(tmp_path):
    run = tmp_path / "runs" / "my_model"
    run.mkdir(parents=True)
    for sample in (0, 1):
        (run / f"level_1_problem_92_sample_{sample}_kernel.py").write_text(CODE)
    said = {"sample_id": 0, "compiled": True, "correctness": True, "metadata": {}, "runtime": 3.1}
    (run / "eval_results.json").write_text(json.dumps({"92": [said]}))
    lines = [json.loads(line) for line in command("rows", run, "--columns", "kernelbench").splitlines()]
    assert [(line["model"], line["problem"], line["sample"]) for line in lines] == [
        ("my_model", "level_1_problem_92", 0), ("my_model", "level_1_problem_92", 1),
    ]  # fmt: skip
    claims = [line["claimed"] for line in lines]
    assert claims == [{"compiled": True, "correctness": True, "runtime": 3.1}, None]
    (run / "eval_results.json").write_text('{"92": [{"score": 1}]}')
    with pytest.raises(UsageError, match="no correctness"):
        list(read_results(run))


HEADERS = {
    "#!POPCORN leaderboard cumsum-exclusive_py\n#!POPCORN gpu H100\n": ("cumsum_exclusive", "H100"),
    "\n# mine\n#!POPCORN gpus A100 H100\n#!popcorn leaderboard Cumsum_Exclusive\n": (
        "cumsum_exclusive",
        "A100",
    ),
    "#!POPCORN leaderboard amd-mxfp4-mm\n": (None, None),
    "import torch\n#!POPCORN leaderboard cumsum_exclusive\n": (None, None),
    "": (None, None),
}


@pytest.mark.parametrize("header", HEADERS)
def test_the_head_of_a_submission_names_problem_and_gpu(tmp_path, header):
    (tmp_path / "submission.py").write_text(header + CODE)
    notes = []
    (reply,) = read_replies([tmp_path / "submission.py"], note=notes.append)
    assert (reply.problem, reply.gpu) == HEADERS[header]
    assert any("amd-mxfp4-mm" in note for note in notes) == ("mxfp4" in header)
    assert read_header(CODE) is None


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("out") / "board.db"
    one = attempt(1, passed(timing(2.0)))
    asked = one.reply.model_copy(update={"prompt_hash": prompt().hash})
    rows = [one.model_copy(update={"reply": asked}), attempt(2, incorrect()), attempt(3, failed("compile")),
            attempt(4, None)]  # fmt: skip
    filled(path, rows).close()
    return path


@pytest.mark.parametrize(
    ("form", "kind", "count"), [("jsonl", "json", 4), ("parquet", "parquet", 4), ("sft", "json", 1)]
)
def test_datasets_reads_what_is_exported(store, tmp_path, form, kind, count):
    datasets = pytest.importorskip("datasets", reason="needs the extra `trl`, or datasets alone")
    file = tmp_path / f"out.{'parquet' if kind == 'parquet' else 'jsonl'}"
    command("export", "--format", form, "--store", store, "--output", file)
    found = datasets.load_dataset(
        kind, data_files=str(file), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert len(found) == count
    if form == "sft":
        assert [turn["role"] for turn in found[0]["messages"]] == ["user", "assistant"]
    else:
        assert set(found["problem"]) == {"scan"}


def test_rows_starts_without_torch_and_frameworks():
    code = (
        "import sys; sys.argv = ['kernel-harness', 'rows', '--help']\n"
        "from harness.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print(sorted({'torch', 'pyarrow', 'mcp', 'datasets'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, text=True, capture_output=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
