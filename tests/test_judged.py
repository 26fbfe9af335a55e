"""What a candidate is held to: as the user gives it, else as in the stored prompt, else the problem's own."""

import json

import pytest

from harness.errors import UsageError
from harness.metrics import load_metrics
from harness.problems import load_problem
from harness.prompts import Given, demand, load_gpu, load_stage, render_prompt

PROBLEM = load_problem("cumsum_exclusive")
STAGE = load_stage("final_micro_tuning")
OWN = PROBLEM.metrics["4090"].kernels
OTHER = "import triton\n\n\n@triton.jit\ndef other_kernel(x):\n    pass\n"


def metrics(folder, kernel="_cumsum_rowwise_kernel"):
    path = folder / "m.json"
    path.write_text(json.dumps({kernel: {"launch__grid_size": 7}}))
    return load_metrics(path)


def prompt(**changes):
    given = {"problem": PROBLEM, "stage": STAGE, "gpu": load_gpu("4090")}
    return render_prompt(**{**given, **changes})


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (Given(), OWN),
        (Given(gpu="4090"), OWN),
        (Given(code=OTHER), None),
        (Given(code=PROBLEM.current_code + "\n"), OWN),
    ],
)
def test_the_problems_own_metrics_belong_to_its_code_and_gpu(given, shown):
    held_to = demand(PROBLEM, STAGE, given)
    assert held_to.rules.metrics == shown
    assert held_to.code == (given.code or PROBLEM.current_code)
    assert (held_to.hash is None) is (shown is None)


def test_a_stored_prompt_comes_before_the_problem(tmp_path):
    asked = prompt(code=OTHER, metrics=metrics(tmp_path, "other_kernel"))
    held_to = demand(PROBLEM, STAGE, Given(), asked)
    assert (held_to.code.strip(), held_to.rules.metrics) == (OTHER.strip(), asked.metrics)
    given = Given(code=PROBLEM.current_code, metrics=metrics(tmp_path))
    held_to = demand(PROBLEM, STAGE, given, asked)
    assert held_to.rules.metrics == {"_cumsum_rowwise_kernel": {"launch__grid_size": 7}}


def test_metrics_of_other_code_are_refused(tmp_path):
    with pytest.raises(UsageError, match=r"m\.json: kernel 'other_kernel' is not in the code"):
        demand(PROBLEM, STAGE, Given(metrics=metrics(tmp_path, "other_kernel")))


def test_the_hash_follows_what_the_rules_look_at(tmp_path):
    hashes = {demand(PROBLEM, STAGE, given).hash for given in (Given(), Given(metrics=metrics(tmp_path)))}
    assert len(hashes) == 2


@pytest.mark.parametrize(
    ("given", "stage", "wanted"),
    [
        (Given(gpu="h100"), STAGE, True),
        (Given(code=OTHER, gpu="4090"), STAGE, True),
        (Given(gpu="4090"), STAGE, False),
        (Given(code=OTHER), STAGE, False),
        (Given(gpu="h100"), load_stage("fusion"), False),
    ],
)
def test_occupancy_is_asked_for_where_nothing_was_measured(given, stage, wanted):
    held_to = demand(PROBLEM, stage, given)
    assert held_to.wants_occupancy is wanted
    assert (held_to.hash is not None) is (wanted or held_to.rules.metrics is not None)


def test_stages_without_current_code_compare_nothing():
    assert demand(PROBLEM, load_stage("seed"), Given()).rules.compares is False
    assert demand(PROBLEM, None, Given()).rules is None
