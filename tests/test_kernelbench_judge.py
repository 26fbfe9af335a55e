"""Files in KernelBench's format on real runners: answers written for them, and wrong ones."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from judge_work import ended

pytest.importorskip("torch", reason="needs the extra `eval`")

from eval import Job, JudgeFailedError, Limits
from harness.problems import load_problem

HERE = Path(__file__).parent
CORPUS, ANSWERS = HERE / "kernelbench", HERE / "kernelbench_answers"
QUICK = ("16_embedding", "20_masked_sum", "21_scalar_argument")
SLOW = [path.stem for path in sorted(ANSWERS.glob("*.py")) if path.stem not in QUICK]
WEIGHTS = {"6_batch_norm_training", "9_depthwise_conv1d", "16_embedding", "24_recurrent_state"}
WRONG = {
    "rows of another table": ("16_embedding", "index * width", "(index // 2) * width"),
    "indices beyond the table": ("16_embedding", "index * width", "(index + 1) * width"),
    "a mask ignored": ("20_masked_sum", "chosen != 0", "chosen >= 0"),
    "a scalar fixed": ("21_scalar_argument", "* scale + shift", "* 3.5 + 0"),
}


def judged(judge, name, change=("", ""), dtype="", **fields):
    code = (ANSWERS / f"{name}.py").read_text()
    assert change[0] in code
    job = Job(
        problem=load_problem(f"{CORPUS / name}.py{dtype}").problem, code=code.replace(*change), device="cpu",
        limits=Limits(seconds=120, call_seconds=60), **fields,
    )  # fmt: skip
    return judge.evaluate(job)


@pytest.mark.parametrize("name", [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)])
def test_an_answer_passes_by_the_strict_rules(judge, name):
    verdict = judged(judge, name, audits=name not in QUICK)
    assert ended(verdict) == "passed", verdict.detail
    assert verdict.problem_hash == load_problem(f"{CORPUS / name}.py").problem.hash
    assert verdict.guarantees.weights == ("state_dict" if name in WEIGHTS else None)
    assert {"float64", "float16", "transposed", "size 1: rows"} & {
        variant.case for variant in verdict.variants
    }


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_answer_is_incorrect(judge, name):
    problem, *change = WRONG[name]
    verdict = judged(judge, problem, change, audits=False)
    assert verdict.status == "incorrect", verdict.detail


def test_in_half_precision_it_is_another_problem(judge):
    verdict = judged(judge, "21_scalar_argument", dtype="@fp16", audits=False)
    assert ended(verdict) == "passed", verdict.detail
    unsupported = judged(judge, "21_scalar_argument", dtype="@bf16", audits=False)
    assert ended(unsupported) == "failed: unsupported"


def test_a_problem_that_cannot_be_judged_says_so(judge):
    problem = load_problem(CORPUS / "bad" / "global_random.py").problem
    code = (ANSWERS / "21_scalar_argument.py").read_text()
    with pytest.raises(JudgeFailedError, match="the problem cannot be judged: the reference gives another"):
        judge.evaluate(Job(problem=problem, code=code, device="cpu", audits=False))


def command(folder, *words):
    done = subprocess.run(
        [Path(sys.executable).parent / "kernel-harness", "eval", *words, "--device", "cpu", "--json"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def test_a_batch_names_problems_of_a_folder_and_goes_on_after_bad_ones(tmp_path):
    problems = tmp_path / "problems"
    problems.mkdir()
    for name in ("21_scalar_argument", "bad/no_model", "bad/global_random"):
        shutil.copy(CORPUS / f"{name}.py", problems)
    code = (ANSWERS / "21_scalar_argument.py").read_text()
    asked = ("21", "no_model", "global_random")
    lines = [json.dumps({"problem": name, "sample": i, "code": code}) for i, name in enumerate(asked)]
    (tmp_path / "replies.jsonl").write_text("\n".join(lines))
    exit_code, found, said = command(
        tmp_path, "replies.jsonl", "--problems", "problems", "--dtype", "fp32,fp16"
    )
    assert exit_code == 0, said
    statuses = sorted((line["problem"], line["status"]) for line in found)
    assert statuses == [
        ("21_scalar_argument", "passed"), ("21_scalar_argument@fp16", "passed"),
        ("global_random", "error"), ("global_random@fp16", "error"),
    ]  # fmt: skip
    assert "skipped: problems/no_model.py: defines no Model" in said


@pytest.mark.parametrize("name", ["no_model", "global_random"])
def test_a_bad_problem_alone_is_an_error(tmp_path, name):
    (tmp_path / "a.py").write_text((ANSWERS / "21_scalar_argument.py").read_text())
    exit_code, _, _ = command(tmp_path, "a.py", "--problem", str(CORPUS / "bad" / f"{name}.py"))
    assert exit_code == 2


def test_dropout_as_a_function_is_off_on_both_sides(judge):
    """The reference as its own answer, by the rules of calibration: no mask may part the two."""
    path = CORPUS / "41_functional_dropout.py"
    code = path.read_text().replace("class Model(", "class ModelNew(")
    problem = load_problem(path).problem
    verdict = judge.evaluate(Job(problem=problem, code=code, device="cpu", rules="off", audits=False))
    assert ended(verdict) == "passed", verdict.detail
