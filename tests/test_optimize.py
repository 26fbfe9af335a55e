"""The way through stages: what is kept, what is repaired, and that a second run walks the same way."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from ncu_stand_in import RECORDED, stand_in
from sample_attempts import attempt, failed, incorrect, passed, rejected, timing

from harness.errors import UsageError
from harness.llm import ModelSpec
from harness.metrics import load_metrics
from harness.optimize import Budget, Journey, Plan
from harness.optimize.choose import best_of, kept, to_repair
from harness.optimize.evidence import Evidence
from harness.problems import load_problem
from harness.prompts import load_gpu, load_stage
from harness.records import Candidate
from harness.store import Store

ROOT = Path(__file__).parent.parent
REPLIES = ROOT / "tests" / "replies"
PROBLEM = load_problem("cumsum_exclusive")
COMMAND = [sys.executable, "-c", "from harness.cli import main; main()"]


def timed(current, decision, *, stage=True, eager=2.0):
    return passed(timing(eager, current=current, decision=decision), stage=stage)


GOOD, BETTER = timed(1.2, "keep"), timed(1.6, "keep")
ILLEGAL, UNSURE, SLOW = timed(2.9, "keep", stage=False), timed(1.005, "inconclusive"), timed(0.9, "revert")
UNTIMED = passed(device="cpu")


@pytest.mark.parametrize(
    ("verdicts", "rules", "chosen"),
    [
        ([GOOD, BETTER, ILLEGAL], "strict", 1),
        ([GOOD, ILLEGAL], "off", 1),
        ([UNSURE, SLOW], "strict", None),
        ([passed(device="cpu", stage=None), UNTIMED, UNTIMED], "strict", 1),
        ([passed(device="cpu", stage=False)], "strict", None),
        ([incorrect(), failed("compile"), None], "strict", None),
        ([], "strict", None),
    ],
)
def test_what_is_kept(verdicts, rules, chosen):
    attempts = [attempt(number, verdict) for number, verdict in enumerate(verdicts)]
    assert kept(attempts, rules, has_current=True) is (None if chosen is None else attempts[chosen])


def test_without_current_code_the_fastest_is_kept():
    attempts = [attempt(1, timed(None, None, eager=2.0)), attempt(2, timed(None, None, eager=3.0))]
    assert kept(attempts, "strict", has_current=False) is attempts[1]


@pytest.mark.parametrize(
    ("verdicts", "chosen"),
    [
        ([failed("compile"), incorrect(), rejected()], 1),
        ([rejected(), failed("run")], 1),
        ([rejected()], 0),
        ([passed(device="cpu", stage=False), incorrect()], 0),
        ([SLOW, incorrect()], None),
        ([None], None),
    ],
)
def test_what_is_repaired(verdicts, chosen):
    attempts = [attempt(number, verdict) for number, verdict in enumerate(verdicts)]
    assert to_repair(attempts, "strict") is (None if chosen is None else attempts[chosen])


def test_a_reply_without_code_cannot_be_repaired():
    assert to_repair([attempt(1, failed("extract"), candidate=None)], "strict") is None


def test_a_stage_is_told_by_its_best():
    verdicts = [incorrect(), SLOW, UNSURE, ILLEGAL]
    attempts = [attempt(number, verdict) for number, verdict in enumerate(verdicts)]
    assert best_of(attempts, "strict") is attempts[2]
    assert best_of([attempt(1, None)], "strict") is None


def tuned(text):
    """Return the fused reply with a cache hint: micro-tuning of what the first stage kept."""
    old = "mask=mask & (idx > 0), other=0.0)"
    assert old in text
    return text.replace(old, old.replace("0.0)", '0.0, eviction_policy="evict_first")'))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    pytest.importorskip("torch")
    pytest.importorskip("triton")
    place = tmp_path_factory.mktemp("optimize")
    replies = place / "replies"
    replies.mkdir()
    for name in ("a_3.md", "c_9.md"):
        (replies / name).write_text((REPLIES / name).read_text())
    (replies / "tuned.md").write_text(tuned((REPLIES / "a_3.md").read_text()))
    stages = {"fusion": ["c_9.md"], "repair": ["a_3.md"], "final_micro_tuning": ["tuned.md"]}
    (replies / "manifest.toml").write_text(
        "".join(f"{stage} = {json.dumps(files)}\n" for stage, files in stages.items())
    )
    return place


def optimize(folder, *words):
    given = ["cumsum_exclusive", "--gpu", "4090", "--model", "replay:replies", "--device", "cpu", "--json"]
    done = subprocess.run(
        [*COMMAND, "optimize", *given, *words],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(folder)},
        capture_output=True,
        timeout=300,
        check=False,
    )
    return done, [json.loads(line) for line in done.stdout.splitlines()]


STAGES = ["--stages", "fusion,final_micro_tuning", "--max-attempts", "9"]


def test_a_replayed_model_carries_the_seed_through_stages(folder):
    done, (fusion, tuning, summary) = optimize(folder, *STAGES, "--repairs", "1")
    assert done.returncode == 0, done.stderr.decode()
    assert (fusion["kept"], fusion["repairs"], fusion["attempts"]) == (True, 1, 2)
    assert (tuning["kept"], tuning["decision"], tuning["ms"]) == (True, None, None)
    assert summary["attempts"] == 3
    assert summary["stopped_by"] is None
    assert "fusion: 1 of 1 passed after a repair" in done.stderr.decode()
    kept_files = {path.name for path in (folder / "optimized").iterdir()}
    assert kept_files >= {"start.py", "01_fusion.py", "02_final_micro_tuning.py", "best.py", "journey.json"}
    best = (folder / summary["best"]).read_text()
    assert 'eviction_policy="evict_first"' in best
    check_prompts(folder)
    check_report(folder)
    check_again(folder, [fusion, tuning, summary])


def check_prompts(folder):
    """The first prompt is the stage's own; a repair shows the failure and its code; later ones look back."""
    with Store(folder / "kernel-harness.db", read_only=True) as store:
        prompts = [store.prompt(row.reply.prompt_hash) for row in store.replies()]
    assert [prompt.stage for prompt in prompts] == ["fusion", "repair", "final_micro_tuning"]
    assert prompts[0].text == (ROOT / "tests" / "golden" / "fusion_4090.txt").read_text()
    assert "The last candidate: incorrect (shape)." in prompts[1].text
    assert "_exclusive_cumsum_kernel" in prompts[1].code
    assert "1. fusion: incorrect (shape)" in prompts[2].text
    assert "_exclusive_cumsum_rowwise_kernel" in prompts[2].code


def check_report(folder):
    """The store alone tells the report what came of each stage."""
    command = [*COMMAND, "report", "--output", "report.html"]
    subprocess.run(command, cwd=folder, env={"PYTHONPATH": str(ROOT)}, check=True, capture_output=True)
    page = (folder / "report.html").read_text()
    (article,) = re.findall('<article class="journey">.*?</article>', page, re.DOTALL)
    stages = re.findall('<th scope="row" class="name">(.*?)</th>', article)
    links = re.findall('href="#a-(.*?)"', article)
    assert (stages, article.count("\u2713 kept")) == (["fusion", "final_micro_tuning"], 2)
    assert "cumsum_exclusive · replay:replies · CPU" in article
    assert len(links) == 2
    assert all(f'id="a-{link}"' in page for link in links)


def check_again(folder, first):
    """Nothing is asked or judged again, and a narrower budget stops the same way earlier."""
    rows = count(folder)
    done, again = optimize(folder, *STAGES, "--repairs", "1")
    assert (done.returncode, again, count(folder)) == (0, first, rows)
    _, narrow = optimize(folder, *STAGES[:2], "--max-attempts", "2", "--output", "narrow")
    assert (len(narrow), narrow[-1]["attempts"], narrow[-1]["stopped_by"]) == (2, 2, "attempts")
    assert count(folder) == rows


def count(folder):
    with Store(folder / "kernel-harness.db", read_only=True) as store:
        return len(list(store.replies())), len(list(store.attempts()))


def journey(folder, store, **changes):
    spec = ModelSpec(model=f"replay:{folder}")
    given = {"problem": "cumsum_exclusive", "gpu": "4090", "stages": ("fusion",), "spec": spec}
    return Journey(Plan(**{**given, "folder": folder / "out", **changes}), store, "run", "cpu")


def test_a_spent_budget_begins_nothing(tmp_path):
    with Store(tmp_path / "s.db") as store:
        for name in ("attempts", "tokens", "cost", "minutes"):
            going = journey(tmp_path, store, budget=Budget(**{name: 0}))
            assert list(going.steps()) == []
            assert going.summary().stopped_by == name


def test_a_stage_that_needs_what_is_not_there_is_passed_over(tmp_path):
    with Store(tmp_path / "s.db") as store:
        (step,) = journey(tmp_path, store, stages=("repair",)).steps()
    assert (step.kept, step.attempts) == (False, 0)
    assert "stage repair needs feedback" in step.note


def test_an_unknown_stage_is_named_before_anything_is_asked(tmp_path):
    with Store(tmp_path / "s.db") as store, pytest.raises(UsageError, match="unknown stage 'fuse'"):
        journey(tmp_path, store, stages=("fuse",))


def evidence(folder, found, said, **changes):
    spec = ModelSpec(model=f"replay:{folder}")
    given = {"problem": "cumsum_exclusive", "gpu": "h100", "stages": ("fusion",), "spec": spec}
    plan = Plan(**{**given, "folder": folder / "out", **changes})
    return Evidence(plan, PROBLEM, load_gpu("h100"), found, said.append)


def test_metrics_are_measured_once_for_each_code_and_stage(tmp_path):
    said, stage = [], load_stage("final_micro_tuning")
    ncu = stand_in(tmp_path, answer=f"echo run >> {tmp_path}/runs; cat {RECORDED}")
    looking = evidence(tmp_path, ncu, said)
    file = looking.metrics(PROBLEM.current_code, stage)
    assert list(load_metrics(file).kernels) == ["_cumsum_rowwise_kernel"]
    assert looking.metrics(PROBLEM.current_code, stage) == file
    assert evidence(tmp_path, None, said).metrics(PROBLEM.current_code, stage) == file
    assert looking.metrics(PROBLEM.current_code, load_stage("seed")) is None
    assert looking.metrics(None, stage) is None
    assert looking.metrics("import ctypes\n" + PROBLEM.current_code, stage) is None
    assert "not run outside of the walls" in said.pop()
    assert (tmp_path / "runs").read_text() == "run\n"
    other = looking.metrics(PROBLEM.current_code + "# other\n", stage)
    assert other not in {None, file}
    assert said == []


def test_what_was_handed_in_is_of_the_first_code_alone(tmp_path):
    given = tmp_path / "mine.json"
    looking = evidence(tmp_path, None, [], metrics=given)
    stage = load_stage("final_micro_tuning")
    assert looking.metrics(PROBLEM.current_code, stage) == given
    assert looking.metrics("import torch\n", stage) is None


def test_missing_metrics_are_explained_and_not_asked_for_again(tmp_path):
    said, stage = [], load_stage("final_micro_tuning")
    ncu = stand_in(tmp_path, answer=f"echo run >> {tmp_path}/runs; echo ERR_NVGPUCTRPERM; exit 1")
    looking = evidence(tmp_path, ncu, said)
    assert looking.metrics(PROBLEM.current_code, stage) is looking.metrics("x = 1\n", stage) is None
    assert (tmp_path / "runs").read_text() == "run\n"
    assert len(said) == 1
    assert "may not read the GPU's counters" in said[0]
    failing = evidence(tmp_path, stand_in(tmp_path, answer="echo 'ValueError: no' >&2; exit 1"), said)
    assert failing.metrics(PROBLEM.current_code, stage) is None
    assert "ValueError: no" in said[1]


def test_a_failure_is_shown_with_what_its_kernels_compile_to(tmp_path):
    pytest.importorskip("triton")
    looking = evidence(tmp_path, None, [])
    code = Candidate(code=PROBLEM.current_code, first_line=1)
    wrong = attempt(1, incorrect(), candidate=code)
    builds = looking.builds(wrong)
    assert {build.kernel for build in builds} == {"_cumsum_rowwise_kernel"}
    assert all(build.registers for build in builds)
    assert looking.builds(attempt(1, rejected(), candidate=code)) == ()
    assert looking.builds(attempt(1, failed("extract"), candidate=None)) == ()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--stages", " , "], "optimize: stages: Tuple should have at least 1 item"),
        (["--stages", "fusion", "--max-cost", "-1"], "optimize: budget.cost: Input should be greater"),
        (["--stages", "fusion", "--code", "no.py"], "no.py: cannot read it"),
    ],
)
def test_bad_input(words, message, tmp_path):
    pytest.importorskip("torch")
    done, told = optimize(tmp_path, *words)
    assert (done.returncode, told) == (2, [])
    assert message in done.stderr.decode()
