"""Each rule of a stage: what keeps it, what breaks it and where, and what only running can tell."""

import json
from pathlib import Path

import pytest
from stage_code import BODY, CURRENT, HOST, ORIGINALS, PLAIN, checked, launched, rule, tuned

from eval.stage.check import check_stage
from eval.stage.configs import DEFAULTS, Settings
from eval.stage.records import RULES
from eval.stage.sides import Launched, Ran
from harness.extract import extract
from harness.problems import load_problem
from harness.prompts import load_stage, stage_names

REPLIES = Path(__file__).parent / "replies"


def found(report):
    return [(violation.rule, violation.severity) for violation in report.violations]


SET = rule("param_set", param="num_stages", values=(2, 3, 4))
STEP = rule("param_step", param="num_stages", step=1)
COUNT = rule("config_count", minimum=3, maximum=4)
KEEP = rule("keep_original_configs")
BLOCK = rule("frozen", what=("block",))
POWER = rule("power_of_two", params="BLOCK*")
DOTS = rule("multiple_of", params="BLOCK*", factor=16)
DOT_BODY = BODY.replace("tl.load(", "tl.dot(x_ptr, x_ptr) + tl.load(")
HELPER_BODY = "@triton.jit\ndef product(a, b):\n    return tl.dot(a, b)\n\n\n" + BODY.replace(
    "tl.load(", "product(x_ptr, x_ptr) + tl.load("
)


@pytest.mark.parametrize(
    ("asked", "code", "breaks"),
    [
        (SET, tuned(ORIGINALS), 0),
        (SET, tuned([*ORIGINALS, (128, 4, 2)]), 0),
        (SET, tuned([*ORIGINALS, (256, 4, 1)]), 1),
        (SET, tuned([*ORIGINALS, (256, 4, 5), (512, 8, 6)]), 2),
        (SET, tuned([*ORIGINALS, "triton.Config({'BLOCK_SIZE': 128})"]), 0),
        (SET, tuned([*ORIGINALS, "triton.Config({'BLOCK_SIZE': 128}, 4, 7)"]), 1),
        (STEP, tuned([*ORIGINALS, (256, 4, 3), (256, 8, 1)]), 0),
        (STEP, tuned([*ORIGINALS, (256, 4, 4)]), 1),
        (STEP, tuned([*ORIGINALS, (128, 4, 3)]), 1),
        (STEP, tuned([*ORIGINALS, (1024, 4, 9)]), 0),
        (COUNT, tuned(ORIGINALS), 0),
        (COUNT, tuned(ORIGINALS[:2]), 1),
        (COUNT, tuned([*ORIGINALS, (256, 4, 3), (512, 8, 3)]), 1),
        (COUNT, PLAIN, 0),
        (KEEP, tuned([(256, 4, 3), *ORIGINALS]), 0),
        (KEEP, tuned(ORIGINALS[1:]), 1),
        (KEEP, tuned([(128, 4, 2)]), 3),
        (KEEP, PLAIN, 3),
        (BLOCK, tuned([*ORIGINALS, (512, 2, 9)]), 0),
        (BLOCK, tuned([*ORIGINALS, (1024, 8, 2)]), 1),
        (BLOCK, launched(", BLOCK_SIZE=256"), 0),
        (BLOCK, launched(", BLOCK_SIZE=64"), 1),
        (POWER, tuned([*ORIGINALS, (96, 4, 2)]), 1),
        (POWER, tuned([*ORIGINALS, (64, 4, 2)]), 0),
        (DOTS, tuned([*ORIGINALS, (8, 4, 2)]), 0),
        (DOTS, tuned([*ORIGINALS, (8, 4, 2)], body=DOT_BODY), 1),
        (DOTS, tuned([*ORIGINALS, (48, 4, 2)], body=DOT_BODY), 0),
        (DOTS, launched(", BLOCK_SIZE=8", body=HELPER_BODY), 1),
    ],
)
def test_a_rule_on_configs(asked, code, breaks):
    report = checked(code, the_rule=asked)
    assert found(report) == [("the_rule", "error")] * breaks
    assert report.legal is (breaks == 0)
    lines = code.splitlines()
    for violation in report.violations:
        line = lines[violation.line - 1]
        assert "triton" in line or "[" in line or "def scale_kernel" in line


def test_what_is_no_literal_is_read_without_a_word(recwarn):
    report = checked(launched(", BLOCK_SIZE=128, num_stages=not x.is_cuda"), the_rule=SET)
    assert report.undecided == ("the_rule",)
    assert not recwarn.list


def test_a_violation_stands_where_its_config_does():
    code = tuned(["triton.Config({'BLOCK_SIZE': 128},\n        num_warps=4, num_stages=9)"])
    (violation,) = checked(code, stages=SET).violations
    assert (violation.rule, violation.track) == ("stages", "stage")
    assert code.splitlines()[violation.line - 1][violation.column :].startswith("triton.Config(")
    assert violation.message == "num_stages is 9 in a new config; this stage allows 2, 3, 4"


WARPS = rule("change_only_if", param="num_warps", metric="sm__warps_active.avg", below=80.0)
CHANGED = tuned([*ORIGINALS, (512, 4, 2)])


@pytest.mark.parametrize(
    ("code", "given", "warned"),
    [
        (CHANGED, {}, "nothing shows sm__warps_active.avg under 80"),
        (CHANGED, {"metrics": {"scale_kernel": {"sm__warps_active.avg": 99.5}}}, "is 99.5, not under 80"),
        (CHANGED, {"metrics": {"scale_kernel": {"sm__warps_active.avg": 61.0}}}, None),
        (CHANGED, {"metrics": {"other": {"sm__warps_active.avg": 61.0}}}, "nothing shows"),
        (CHANGED, {"occupancy": {"scale_kernel": 0.5}}, None),
        (CHANGED, {"occupancy": {"scale_kernel": 1.0}}, "an occupancy of 100 %"),
        (tuned([*ORIGINALS, (512, 8, 3)]), {}, None),
        (tuned([*ORIGINALS, (1024, 16, 3)]), {}, None),
    ],
)
def test_a_change_that_metrics_must_suggest(code, given, warned):
    report = checked(code, warps=WARPS, **given)
    assert found(report) == ([("warps", "warning")] if warned else [])
    assert all(warned in violation.message for violation in report.violations)
    assert report.legal is True


def test_a_warning_may_be_an_error():
    strict = WARPS.model_copy(update={"severity": "error"})
    assert checked(CHANGED, warps=strict).legal is False


COMPUTED = tuned([]).replace("configs=[]", "configs=[triton.Config({'BLOCK_SIZE': b}) for b in (64, 96)]")


def settings(block, warps=4, stages=3):
    return Settings(values={**DEFAULTS, "BLOCK_SIZE": block, "num_warps": warps, "num_stages": stages})


def run_of(*blocks, grid=(32,), **other):
    launches = [Launched(kernel="scale_kernel", settings=settings(b), grid=grid, launches=1) for b in blocks]
    return Ran(launched=tuple(launches), **other)


@pytest.mark.parametrize("asked", [SET, STEP, COUNT, KEEP, BLOCK, POWER])
def test_computed_configs_are_left_to_a_dry_launch(asked):
    report = checked(COMPUTED, the_rule=asked)
    assert (report.violations, report.undecided, report.legal) == ((), ("the_rule",), None)


HEURISTICS = "@triton.heuristics({{'{}': lambda args: 128}})\n"


@pytest.mark.parametrize("asked", [SET, KEEP, BLOCK, POWER])
@pytest.mark.parametrize("name", ["BLOCK_SIZE", "num_stages"])
def test_what_heuristics_choose_is_left_to_a_dry_launch(asked, name):
    report = checked(launched("", body=HEURISTICS.format(name) + BODY), the_rule=asked)
    assert (report.violations, report.undecided) == ((), ("the_rule",))


def test_other_heuristics_beside_configs_decide_nothing():
    code = tuned([*ORIGINALS, (1024, 8, 2)], body=HEURISTICS.format("EVEN") + BODY)
    assert found(checked(code, the_rule=BLOCK)) == [("the_rule", "error")]


@pytest.mark.parametrize(
    ("asked", "breaks"), [(SET, 0), (COUNT, 1), (KEEP, 3), (BLOCK, 2), (POWER, 1), (WARPS, 0)]
)
def test_a_dry_launch_shows_computed_configs(asked, breaks):
    report = checked(COMPUTED, the_rule=asked, ran=run_of(64, 96))
    assert (len(report.violations), report.undecided) == (breaks, ())


def test_an_original_with_one_parameter_more_is_still_an_original():
    more = ["triton.Config({'BLOCK_SIZE': 128, 'PIPE': 1}, num_warps=4, num_stages=1)", *ORIGINALS[1:]]
    assert checked(tuned(more), stages=SET, keep=KEEP).legal is True


def test_without_current_code_nothing_is_exempt_and_nothing_compared():
    for given in ({"current": None}, {"compares": False}):
        assert found(checked(CURRENT, stages=SET, keep=KEEP, blocks=BLOCK, **given)) == [("stages", "error")]


FROZEN = rule("frozen", what=("grid",))
SAME_GRID = "lambda given: (triton.cdiv(padded.numel(), given['BLOCK_SIZE']),)"
NAMED_GRID = HOST.replace("    scale_kernel[GRID]", "    rows = GRID\n    scale_kernel[rows]")


@pytest.mark.parametrize(
    ("code", "legal"),
    [
        (CURRENT, True),
        (tuned(ORIGINALS, grid=SAME_GRID), True),
        (tuned(ORIGINALS, host=NAMED_GRID), True),
        (tuned(ORIGINALS, grid="(128,)"), None),
    ],
)
def test_a_grid_is_compared_as_launched(code, legal):
    assert checked(code, grid=FROZEN).legal is legal


@pytest.mark.parametrize(
    ("ran", "legal"),
    [
        (run_of(128, 256), True),
        (run_of(128, grid=(32, 1, 1)), True),
        (run_of(128, grid=(64,)), False),
        (run_of(128, grid=(32, 2)), False),
        (run_of(96), None),
    ],
)
def test_a_dry_launch_shows_the_grid(ran, legal):
    report = checked(tuned(ORIGINALS, grid="(32,)"), grid=FROZEN, ran=ran, current_ran=run_of(128, 256, 512))
    assert report.legal is legal
    assert found(report) == ([("grid", "error")] if legal is False else [])


FUSED = HOST.replace("torch.cat((torch.zeros_like(x[:1]), x))", "x")
TWICE = HOST.replace("    return out\n\n", "    SECOND\n    return out\n\n").replace(
    "SECOND", "scale_kernel[GRID](out, out, NOPTIONS)"
)
SOMETIMES = HOST.replace("    return out\n\n", "    if N > 9:\n        out = out.clone()\n    return out\n\n")
RENAMED = BODY.replace("scale_kernel", "other_kernel")
GUARDED = HOST.replace(
    "    return scale(x)", "    try:\n            return scale(x)\n        finally:\n            pass"
)
IN_METHOD = HOST.replace(
    "class ModelNew(nn.Module):\n    def forward(self, x):\n        return scale(x)",
    "class ModelNew(nn.Module):\n"
    "    def __init__(self):\n        super().__init__()\n        self.first = 1\n\n"
    "    def forward(self, batch):\n        return self.run(batch)\n\n"
    "    def run(self, y):\n        return scale(y)",
)
NEW_ZEROS = HOST.replace("torch.zeros_like(x[:1])", "x.new_zeros(1)")
LOOPED = HOST.replace("    scale_kernel[GRID]", "    for _ in range(3):\n        scale_kernel[GRID]")


@pytest.mark.parametrize(
    ("code", "parameters", "kernels"),
    [
        (CURRENT, True, True),
        (tuned(ORIGINALS, host=IN_METHOD), True, True),
        (tuned(ORIGINALS, host=NEW_ZEROS), True, True),
        (tuned(ORIGINALS, body=RENAMED, host=HOST.replace("scale_kernel", "other_kernel")), True, True),
        (tuned(ORIGINALS, host=FUSED), False, False),
        (tuned(ORIGINALS, host=TWICE), False, True),
        (tuned(ORIGINALS, host=SOMETIMES), None, None),
        (tuned(ORIGINALS, host=LOOPED), None, True),
        (tuned(ORIGINALS, host=GUARDED), None, None),
    ],
)
def test_scope_from_the_text(code, parameters, kernels):
    for scope, legal in (("parameters", parameters), ("kernels", kernels), ("any", True)):
        report = checked(code, scope=scope)
        assert report.legal is legal, scope
        assert {violation.rule for violation in report.violations} == (
            set() if legal is not False else {"scope"}
        )


@pytest.mark.parametrize(("chain", "legal"), [("4 < N < 9", True), ("4 > N > 9", None), ("4 < N <= 9", None)])
def test_comparisons_in_a_chain_are_told_apart(chain, legal):
    before, after = (tuned(ORIGINALS, host=SOMETIMES.replace("N > 9", test)) for test in ("4 < N < 9", chain))
    assert checked(after, current=before, scope="parameters").legal is legal


def test_own_functions_may_be_called_one_after_another_as_often_as_one_likes():
    often = [
        tuned(
            ORIGINALS,
            host=HOST.replace("return scale(x)", "\n        ".join(["scale(x)"] * count + ["return x"])),
        )
        for count in (20, 21)
    ]
    assert checked(often[0], current=often[0], scope="parameters").legal
    assert checked(often[1], current=often[0], scope="parameters").legal is False


def test_scope_says_what_differs_and_where():
    (fill, cat) = sorted(checked(tuned(ORIGINALS, host=FUSED), scope="kernels").violations, key=str)[::-1]
    assert "library operator `cat` is called never, in the current code once" in cat.message + fill.message
    (more,) = checked(tuned(ORIGINALS, host=TWICE), scope="parameters").violations
    assert "kernel scale_kernel is launched 2 times, in the current code once" in more.message
    assert "scale_kernel[" in tuned(ORIGINALS, host=TWICE).splitlines()[more.line - 1]


@pytest.mark.parametrize(
    ("ran", "legal"),
    [
        ({"operators": {"cat": 1, "fill": 1}, "launches": {"scale_kernel": 1}}, True),
        ({"operators": {"cat": 1, "fill": 1, "copy": 1}, "launches": {"scale_kernel": 1}}, False),
        ({"operators": {"cat": 1, "fill": 1}, "launches": {"scale_kernel": 2}}, False),
        ({"operators": {"cat": 1, "fill": 1}}, None),
    ],
)
def test_running_decides_what_the_text_does_not(ran, legal):
    before = Ran(operators={"cat": 1, "fill": 1}, launches={"scale_kernel": 1})
    code = tuned(ORIGINALS, host=SOMETIMES)
    assert checked(code, scope="parameters", ran=Ran(**ran), current_ran=before).legal is legal


@pytest.mark.parametrize(
    "code", ["def broken(:", "x = " + "(" * 400 + ")" * 400, "class ModelNew:\n    pass\n"]
)
def test_code_that_cannot_be_followed_is_left_undecided(code):
    assert checked(code, scope="parameters", stages=SET).legal is None


def test_every_kind_of_rule_has_its_check():
    from eval.stage.checks import CHECKS

    used = {rule.check for name in stage_names() for rule in load_stage(name).rules.values()}
    assert set(CHECKS) == set(RULES) == used


LISTED = json.loads((REPLIES / "index.json").read_text())["replies"]
SAMPLES = [sample for sample in LISTED if sample["file"] not in {"c_4.md", "c_5.md", "c_6.md"}]
"""Those that break no rule of every track."""


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample["file"])
def test_the_sample_replies_against_the_seed_stage(sample):
    problem, stage = load_problem("cumsum_exclusive"), load_stage("final_micro_tuning")
    candidate = extract((REPLIES / sample["file"]).read_text(), is_code=False)
    rules = stage.as_rules(problem.metrics["4090"].kernels)
    report = check_stage(candidate.code, problem.current_code, rules)
    assert report.legal is sample["stage_legal"]
    warned = {violation.rule for violation in report.violations if violation.severity == "warning"}
    if sample["stage_legal"]:
        assert warned == ({"num_warps_occupancy"} if "(warning)" in sample["note"] else set())
