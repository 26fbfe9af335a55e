"""The stage track where the text alone does not decide it: both codes are run, in the interpreter and dry."""

from contextlib import closing

import pytest
from judge_work import HONEST

from eval.records import Incorrect, Job, Passed, Rejected, Tracks, Violation
from harness.problems import load_problem
from harness.prompts import load_gpu, load_stage
from harness.prompts.dry import dry_occupancy

pytest.importorskip("torch")
pytest.importorskip("triton")

from eval.judge.bench import Bench
from eval.judge.processes import Zygote
from eval.judge.stage import StageJudge
from eval.stage.account import of_turn, unaccounted, without
from eval.stage.check import check_stage
from eval.stage.sides import Counts, Ran

PROBLEM = load_problem("cumsum_exclusive")
CODE = PROBLEM.current_code
STAGE = load_stage("final_micro_tuning").as_rules(PROBLEM.metrics["4090"].kernels)
SCOPE_ALONE = STAGE.model_copy(update={"rules": {}})
LISTED = CODE[CODE.index("    configs=[") : CODE.index("    key=['N'],")]
LAUNCH = "    _cumsum_rowwise_kernel[grid]("
LITERAL = "for b, w, s in ((128, 4, 1), (256, 4, 2), (512, 8, 2), (512, 8, 3))"
COMPUTED = f"    configs=[triton.Config({{'BLOCK_SIZE': b}}, num_warps=w, num_stages=s) {LITERAL}],\n"
PASSED = Passed(device="cpu", tracks=Tracks(open=True))


def edited(*pairs):
    code = CODE
    for old, new in pairs:
        assert old in code
        code = code.replace(old, new, 1)
    return code


@pytest.fixture(scope="module")
def judge():
    zygote = Zygote(cuda=False)
    judge = StageJudge(zygote, cuda=False, alone=lambda: False)
    yield judge
    judge.close()
    zygote.close()


def decided(judge, code, verdict=PASSED, **changes):
    job = Job(problem=PROBLEM.problem, code=code, current_code=CODE, stage_rules=STAGE, **changes)
    return judge.decided(job, verdict)


def broken(verdict):
    return {found.rule for found in verdict.violations if found.severity == "error"}


FAR = COMPUTED.replace("(512, 8, 3)", "(64, 8, 7)")
FEWER = COMPUTED.replace("(128, 4, 1), ", "")
LOOP = "    for _ in range({}):\n        _cumsum_rowwise_kernel[grid]("
TUNED = CODE[CODE.index("@triton.autotune(") : CODE.index("@triton.jit")]
BY_HEURISTICS = "@triton.heuristics({{'BLOCK_SIZE': lambda args: {}}})\n"
COPYING = edited(
    ("@triton.autotune", "MANY = 2\n\n\n@triton.autotune"),
    ("    return y\n", "    return y if MANY > 9 else y.clone()\n"),
)


@pytest.mark.parametrize(
    ("code", "rules"),
    [
        (edited((LISTED, COMPUTED)), set()),
        (edited((LISTED, FAR)), {"frozen_launch", "num_stages_set"}),
        (edited((LISTED, FEWER)), {"original_configs"}),
        (edited(("grid = (B,)", "grid = (x_2d.numel() // N,)")), set()),
        (edited(("grid = (B,)", "grid = (B * 2 - B // 2,)")), {"frozen_launch"}),
        (edited((LAUNCH, LOOP.format(1))), set()),
        (edited((LAUNCH, LOOP.format(2))), {"scope"}),
        (COPYING, {"scope"}),
        (edited(("grid = (B,)", "grid = (x_2d.numel() // N, 1, 1)")), set()),
        (edited(("grid = (B,)", "grid = (x_2d.numel() // N, 2)")), {"frozen_launch"}),
        (edited((TUNED, BY_HEURISTICS.format(512))), {"original_configs"}),
        (edited((TUNED, BY_HEURISTICS.format(1024))), {"original_configs", "frozen_launch"}),
    ],
)
def test_running_decides(code, rules, judge):
    verdict = decided(judge, code)
    assert broken(verdict) == rules
    assert verdict.tracks == Tracks(open=True, stage=not rules)


TWICE = edited((LAUNCH, LOOP.format("1 + (x_2d.numel() > 0)")))
KERNELS = load_stage("grid_and_parallelism").as_rules()


def test_copies_of_the_interpreter_are_no_operators_of_forward(judge):
    verdict = decided(judge, TWICE)
    assert broken(verdict) == {"scope"}
    assert [found.message for found in verdict.violations if "operator" in found.message] == []
    job = Job(problem=PROBLEM.problem, code=TWICE, current_code=CODE, stage_rules=KERNELS)
    assert judge.decided(job, PASSED).tracks == Tracks(open=True, stage=True)


def test_a_violation_that_running_shows_stands_where_the_launch_does(judge):
    verdict = decided(judge, edited(("grid = (B,)", "grid = (x_2d.numel() // N, 2)")))
    (found,) = [found for found in verdict.violations if found.rule == "frozen_launch"]
    assert CODE.splitlines()[found.line - 1].strip().startswith("_cumsum_rowwise_kernel[grid](")


def test_what_cannot_be_run_stays_undecided(judge):
    looking = edited(("grid = (B,)", "grid = (B + 0 * int(x_2d[0, 0].item() > 9),)"))
    verdict = decided(judge, looking)
    assert (verdict.tracks, broken(verdict)) == (Tracks(open=True, stage=None), set())


def test_the_seed_itself_keeps_to_the_stage(judge):
    assert decided(judge, CODE).tracks == Tracks(open=True, stage=True)


def test_without_rules_nothing_is_decided(judge):
    assert decided(judge, CODE, rules="off") == PASSED
    job = Job(problem=PROBLEM.problem, code=CODE, current_code=CODE)
    assert judge.decided(job, PASSED) == PASSED


def test_what_did_not_pass_is_on_no_track(judge):
    wrong = Incorrect(reason="values", tracks=Tracks(open=False, stage=False))
    verdict = decided(judge, edited((LISTED, COMPUTED)), wrong)
    assert (verdict.status, verdict.tracks) == ("incorrect", wrong.tracks)
    found = Violation(rule="imports", track="open", severity="error", message="no", line=1)
    refused = Rejected(reason="output_rules", violations=(found,), tracks=Tracks(open=False, stage=False))
    assert decided(judge, CODE, refused) == refused


RETURN = "return triton_exclusive_cumsum(x, self.dim)"
"""An operator that the rules allow and no text shows: by the text alone these keep to the stage."""
UNSAID = edited(("    return y\n", "    reversed(y)\n    return y\n"))
OF_SOME_SHAPES = edited(
    (RETURN, "return unseen(triton_exclusive_cumsum(x, self.dim))"),
    (
        "class ModelNew",
        "def unseen(y):\n    if y.shape[-1] % 2:\n        reversed(y)\n    return y\n\n\nclass ModelNew",
    ),
)
COUNTING = edited(
    ("        self.dim = dim\n", "        self.dim = dim\n        self.calls = 0\n"),
    (f"        {RETURN}", f"        self.calls += 1\n        {RETURN}"),
)
FROM_THE_SECOND_ON = COUNTING.replace(
    "self.calls += 1\n", "self.calls += 1\n        if self.calls > 1:\n            reversed(x)\n"
)


@pytest.fixture(scope="module")
def bench():
    with closing(Bench(cuda=False)) as bench:
        yield bench


@pytest.mark.parametrize("code", [UNSAID, OF_SOME_SHAPES, FROM_THE_SECOND_ON])
def test_a_text_that_does_not_account_for_what_ran_is_not_believed(code, judge, bench):
    assert decided(judge, code).tracks.stage is True
    job = Job(problem=PROBLEM.problem, code=code, current_code=CODE, stage_rules=STAGE, timing=False)
    verdict = bench.judge(job)
    assert (verdict.tracks, broken(verdict)) == (Tracks(open=True, stage=False), {"scope"})
    assert any("`flip`" in found.message for found in verdict.violations)


def test_where_running_has_to_decide_the_current_code_and_its_like_keep_to_the_stage(bench):
    for code in (CODE, COUNTING):
        job = Job(problem=PROBLEM.problem, code=code, current_code=CODE, stage_rules=STAGE, timing=False)
        assert bench.judge(job).tracks == Tracks(open=True, stage=True)


KERNEL = "_cumsum_rowwise_kernel"


def counts(launches=None, operators=None, configs=3):
    every = (launches or {KERNEL: 1}, {"cat": 1, "fill": 1} | (operators or {}), {KERNEL: configs})
    return Counts(*(frozenset(one.items()) for one in every))


@pytest.mark.parametrize(
    ("seen", "fits"),
    [
        ([], True),
        ([counts()], True),
        ([counts({KERNEL: 0})], True),
        ([counts(), counts({KERNEL: 2})], False),
        ([counts({KERNEL: 1, "other": 1})], False),
        ([counts(configs=4)], False),
        ([counts(operators={"copy": 2})], True),
        ([counts(operators={"copy": 3})], False),
        ([counts(operators={"cat": 2})], False),
        ([counts(operators={"flip": 1})], False),
        ([counts()._replace(operators=None)], True),
    ],
)
def test_calls_are_held_against_the_text(seen, fits):
    assert unaccounted(CODE, {"a": [counts()], "b": seen}) == (frozenset() if fits else {"b"})


def test_operators_that_others_call_are_left_out():
    copying, unknown = counts(operators={"copy": 3}), counts()._replace(operators=None)
    assert not unaccounted(CODE, {"a": [without(copying, ("copy",)), without(unknown, ("copy",))]})
    assert unaccounted(CODE, {"a": [without(copying, ("cat",))]})


@pytest.mark.parametrize(("launches", "fits"), [(0, True), (8, True), (9, False), (16, False), (1, True)])
def test_calls_of_a_turn_are_held_against_it_too(launches, fits):
    assert bool(unaccounted(CODE, {"timed": of_turn(8, {KERNEL: launches}.items())})) is not fits


def test_a_launch_that_is_made_on_every_way_is_missed():
    none = Counts()
    assert not unaccounted(HONEST, {"a": [none._replace(launches=frozenset({("affine", 1)}))]})
    assert unaccounted(HONEST, {"a": [none]})


def ran(*calls, first=None, **cases):
    one = {"operators": {"cat": 1, "fill": 1}, "launches": {KERNEL: 1}}
    cases = {**({"a": calls} if calls else {}), **cases}
    return Ran(**one, cases=cases, first=first or Counts())


@pytest.mark.parametrize(
    ("mine", "theirs", "legal"),
    [
        (ran(counts()), ran(counts()), True),
        (ran(counts()), ran(counts(), b=[counts({KERNEL: 3})]), True),
        (ran(counts(), counts({KERNEL: 2})), ran(counts()), False),
        (ran(counts({KERNEL: 2})), ran(counts({KERNEL: 2})), True),
        (ran(counts(operators={"flip": 1})), ran(counts()), False),
        (ran(counts()), ran(counts(operators={"flip": 1})), False),
        (ran(counts(operators={"flip": 1})._replace(operators=None)), ran(counts()), True),
        (ran(counts()), ran(b=[counts()]), None),
        (ran(counts(operators={"copy": 1})), ran(counts(), first=counts(operators={"copy": 1})), True),
        (ran(counts(operators={"copy": 2})), ran(counts(), first=counts(operators={"copy": 1})), False),
        (ran(counts(), counts(operators={"copy": 1})), ran(counts(operators={"copy": 1}), counts()), True),
    ],
)
def test_calls_are_compared_case_by_case(mine, theirs, legal):
    report = check_stage(CODE, CODE, SCOPE_ALONE, ran=mine, current_ran=theirs, by_text=False)
    assert report.legal is legal


def test_a_dry_launch_shows_the_occupancy_of_the_current_code():
    assert dry_occupancy(PROBLEM.problem, CODE, load_gpu("4090")) == {"_cumsum_rowwise_kernel": 1.0}
    assert dry_occupancy(PROBLEM.problem, CODE, load_gpu("mi300x")) is None
