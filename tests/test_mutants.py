import ast
import json
import subprocess
import sys
from collections import Counter

import pytest

pytest.importorskip("triton", reason="needs the extra `eval`")

import mutant_trials
from mutants import Mutant, bases, sample

NAMED = {  # by issue 3
    "mask off by one", "mask dropped", "dropped block", "wrong carry", "dropped barrier", "dropped stage",
    "reordered", "truncated accumulator", "swapped arguments", "wrong stride", "wrong row", "wrong grid",
    "shifted by one",
}  # fmt: skip
MANY, FEW = 640, 40


def oracle(*codes):
    lines = "".join(json.dumps(code) + "\n" for code in codes)
    answer = subprocess.run(
        [sys.executable, mutant_trials.ORACLE], input=lines, text=True, stdout=subprocess.PIPE, check=True
    )
    return [json.loads(line)["changed"] for line in answer.stdout.splitlines()]


def solution(old, new):
    code = bases()["solution"]
    assert old in code
    return code.replace(old, new)


def test_mutants_are_many_different_and_the_same_each_time():
    made = sample(MANY)
    assert len({ast.dump(ast.parse(mutant.code)) for mutant in made}) == len(made) == MANY
    assert sample(FEW) == sample(FEW) != sample(FEW, seed=1)
    assert {mutant.kind for mutant in made} >= NAMED
    assert {mutant.base for mutant in made} == set(bases())


def test_a_mutant_is_not_its_base():
    plain = {name: ast.unparse(ast.parse(code)) for name, code in bases().items()}
    assert [mutant.name for mutant in sample(100) if mutant.code == plain[mutant.base]] == []


SEEN = [
    ("tl.store(out_row - 1, 0.0)", "pass", "wrong by"),
    ("0.0) + carry", "0.0)", "wrong by"),
    ("(ends < count)", "(ends < count + 1)", "programs from last to first|stores outside"),
    (".to(tl.int64)", ".to(tl.int8)", "(300, 3)|crashes|raises"),
    ("tl.cumsum(x, axis=1)", "tl.cumsum(x, axis=1).to(tl.float16)", "wrong by"),
    ("rows.shape[0],)](", "rows.shape[0] + 1,)](", "stores outside"),
    ("return exclusive_cumsum(x, self.dim)", "return exclusive_cumsum(x, self.dim)[1:]", "gives torch"),
    ("return exclusive_cumsum(x", "return exclusive_cumsum(x.mul_(2)", "changes its input"),
    ("return exclusive_cumsum(x", "return undefined(x", "raises NameError"),
]


def test_the_oracle_knows_the_expert_solution_and_sees_what_is_wrong():
    unchanged, *changed = oracle(bases()["solution"], *(solution(old, new) for old, new, _ in SEEN))
    assert unchanged is None
    for (_, new, said), what in zip(SEEN, changed, strict=True):
        assert any(part in (what or "") for part in said.split("|")), f"{new}: {what}"


HIDDEN = {
    "writes past the end": (
        "(ends < count)",
        "(ends < count + 1)",
        "stores outside of the tensors",
    ),
    "writes into the next row": (
        "(ends < count)",
        "(ends < count + tl.minimum(tl.num_programs(0) - 1 - row, 1))",
        "elements are wrong",
    ),
    "leaves an element as it was": (
        "tl.store(out_row - 1, 0.0)",
        "pass",
        "got nan",
    ),
    "counts rows in eight bits": (".to(tl.int64)", ".to(tl.int8)", "case 131x3"),
}


def test_mistakes_that_order_and_luck_could_hide_are_refused():
    broken = [Mutant("solution", how, 0, solution(old, new)) for how, (old, new, _) in HIDDEN.items()]
    for trial in mutant_trials.judged(broken):
        assert trial.refused, trial.mutant.kind
        assert HIDDEN[trial.mutant.kind][2] in trial.detail or trial.refused == "crash", trial.detail


def test_no_mutant_of_the_expert_solution_gets_through():
    done = mutant_trials.trials(sample(FEW, of=("solution",), few_harmless=0))
    outcomes = Counter(trial.outcome for trial in done)
    assert [(trial.mutant.name, trial.changed) for trial in done if trial.outcome == "got through"] == []
    assert outcomes["refused"] >= 0.75 * FEW


@pytest.mark.slow
def test_the_oracle_finds_nothing_changed_in_what_mutants_are_made_from():
    codes = bases()
    assert dict(zip(codes, oracle(*codes.values()), strict=True)) == dict.fromkeys(codes)


@pytest.mark.slow
def test_of_all_mutants_that_change_the_function_99_in_100_are_refused():
    done = mutant_trials.trials(sample(MANY))
    outcomes = Counter(trial.outcome for trial in done)
    told = mutant_trials.table(done)
    assert outcomes["refused"] >= 0.75 * MANY, told
    assert outcomes["got through"] <= 0.01 * (outcomes["refused"] + outcomes["got through"]), told
