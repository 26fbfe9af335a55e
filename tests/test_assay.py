"""Problems under attack without any runner: what holds, what is quarantined, what is skipped and why."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the extra `eval`")

from eval.assay import Assay, AttackResult
from eval.judge.assay import assay
from eval.judge.attacks import ATTACKS
from eval.judge.proposals import families, references, tried
from eval.records import Case, Problem, SizeProfile
from harness.errors import UsageError
from harness.problems import load_problem
from harness.validate import Assayer, findings, require_table, write_table

CORPUS = Path(__file__).parent / "kernelbench"
FILES = sorted(CORPUS.glob("*.py"))
QUICK = ("4_softmax_rows", "14_nested_outputs", "19_kl_divergence", "24_recurrent_state", "34_logarithm")
REFERENCE = """
import torch
import torch.nn as nn

class Model(nn.Module):
    def forward(self, x):
        return RETURNED

rows = 64
columns = 128

def get_inputs():
    return [torch.rand(rows, columns)]

def get_init_inputs():
    return []
"""
WEAK = {
    "a softmax summed up": ("torch.softmax(x, 1).sum(1)", ["ones", "previous answer"]),
    "always zero": ("x * 0.0", ["zeros", "previous answer"]),
    "constant half": ("(x > 2000.0).float() + 0.5", ["constant", "previous answer"]),
}


def problem(returned, tolerance="measured", mark=None, **fields):
    cases = tuple(Case(name=f"{r}x{c}", constants={"rows": r, "columns": c}) for r, c in ((5, 7), (4, 33)))
    return Problem(
        name="p", reference=REFERENCE.replace("RETURNED", returned), sizes=(SizeProfile(name="full"),),
        cases=cases, tolerance=tolerance, hash=mark or returned, **fields,
    )  # fmt: skip


def outcomes(found):
    return {result.attack: result.outcome for result in found.attacks}


@pytest.mark.parametrize("name", QUICK)
def test_a_problem_of_the_corpus_refuses_every_attack(name):
    found = assay(load_problem(CORPUS / f"{name}.py").problem)
    assert (found.status, found.reason) == ("sound", None)
    assert set(outcomes(found)) == set(ATTACKS)
    assert "accepted" not in outcomes(found).values()
    assert 3 <= len(found.cases) <= 8
    assert len(found.variants) >= 5
    assert found.stateful == ("state" in name)


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", [path for path in FILES if path.stem not in QUICK], ids=lambda path: path.stem
)
def test_so_does_every_other(path):
    found = assay(load_problem(path).problem)
    assert (found.status, found.reason) == ("sound", None)
    assert len(found.cases) >= (2 if path.stem == "48_image_of_one_size" else 3)


@pytest.mark.parametrize("name", WEAK)
def test_a_weak_problem_is_quarantined_with_the_reason(name):
    returned, accepted = WEAK[name]
    found = assay(problem(returned))
    assert found.status == "quarantined"
    assert all(attack in found.reason for attack in accepted)


@pytest.mark.parametrize(
    ("returned", "skipped"),
    [
        ("x.sum()", {"shuffled answer", "mean of the answer"}),
        ("x.half().float()", {"half-precision rounding"}),
        ("x.argmax(1)", {"half-precision rounding"}),
        ("x * 1", {"copy of the input"}),
    ],
)
def test_an_attack_that_is_right_by_construction_is_skipped(returned, skipped):
    found = assay(problem(returned))
    assert found.status == "sound", found.reason
    assert {attack for attack, outcome in outcomes(found).items() if outcome == "skipped"} == skipped
    assert all(result.detail for result in found.attacks if result.outcome == "skipped")


@pytest.mark.parametrize("width", [8, 4096])
@pytest.mark.parametrize("term", ["x @ x.T", "x.sum(1)", "torch.softmax(x, 1) * x", "(x @ x.T).relu() @ x"])
def test_the_measured_tolerance_refuses_half_precision(term, width):
    wide = problem(term).model_copy(
        update={"hash": f"{term}{width}", "cases": (Case(name="c", constants={"rows": 3, "columns": width}),)}
    )
    found = assay(wide)
    assert (found.status, outcomes(found)["half-precision rounding"]) == ("sound", "refused")


def test_a_tolerance_that_is_too_wide_or_too_narrow_is_found():
    wide = assay(problem("x * 2", error_budget={"float32": 1e5}))
    assert "half-precision rounding" in wide.reason
    narrow = assay(problem("torch.sin(x)", "fixed", error_budget={"float32": 1e-3}))
    assert "the reference's own answer is outside of the tolerance" in narrow.reason


@pytest.mark.parametrize(
    ("name", "status", "reason"),
    [
        ("global_random", "skipped", "random numbers drawn in forward"),
        ("too_much_memory", "skipped", "keeps 1125899906842624 weights"),
        ("needs_a_package", "skipped", "pip install a_package_that_nobody_has"),
        ("constant_answer", "quarantined", "accepts: previous answer"),
    ],
)
def test_bad_files_are_named_with_the_reason(name, status, reason):
    found = assay(load_problem(CORPUS / "bad" / f"{name}.py").problem)
    assert (found.status, reason in found.reason) == (status, True), found.reason


def test_proposals_that_the_reference_refuses_are_dropped():
    attention = load_problem(CORPUS / "31_product_of_constants.py").problem
    made = tried(attention, attention.cases)
    assert made.dropped
    assert all(case.elements() <= 1 << 14 for case in made.kept)
    shapes = [case.inputs[0].shape for case in made.kept]
    assert len(set(shapes)) == len(shapes)
    assert any(n % 2 for shape in shapes for n in shape[:2])


def test_a_network_for_images_of_one_size_is_tried_on_larger_ones():
    network = load_problem(CORPUS / "48_image_of_one_size.py").problem
    shapes = [case.inputs[0].shape for case in references(network, network.cases)]
    assert shapes == [(3, 3, 100, 100), (2, 3, 100, 100)]


@pytest.mark.parametrize(
    ("lost", "kept"), [([2000.0, 2.0], [2.0]), ([2.0, 3.0], [2.0, 3.0]), ([1500.0, 2000.0], [1500.0, 2000.0])]
)
def test_sizes_on_which_the_reference_itself_is_blurred_give_way(lost, kept):
    source = REFERENCE.replace("RETURNED", "(x + lost) - lost").replace("rows = 64", "rows = 64\nlost = 2.0")
    cases = tuple(
        Case(name=f"{n}", constants={"lost": n, "rows": 4 + place}, proposed=True)
        for place, n in enumerate(lost)
    )
    made = problem("", mark=f"{lost}").model_copy(update={"reference": source, "cases": cases})
    found = tried(made, cases)
    assert [case.case.constants["lost"] for case in found.kept] == kept
    assert all("as much as half precision" in why for why in found.dropped.values())
    assert len(found.dropped) == len(lost) - len(kept)


def test_a_product_that_overflows_on_the_way_holds():
    found = assay(problem("(x * 1e30) * 1e30 * 1e-30 * (x > 0.5) + x"))
    assert not (found.reason or "").startswith("the reference's own answer")


def kept(init, returned):
    """A problem whose reference keeps weights."""
    source = REFERENCE.replace("RETURNED", returned).replace(
        "class Model(nn.Module):",
        "class Model(nn.Module):\n    def __init__(self):\n        super().__init__()\n        " + init,
    )
    return problem("", mark=init).model_copy(update={"reference": source})


def test_what_only_new_weights_hide_is_found_out():
    """Weights that cancel each other as they are drawn, and no more when they are changed a little."""
    drawn = "half = torch.randn(columns)\n        self.w = nn.Parameter(half - half.flip(0))\n"
    found = assay(kept(drawn, "x * (self.w + self.w.flip(0))"))
    assert found.status == "quarantined"
    assert found.reason.startswith("with the weights that its constructor makes, accepts: zeros")


def test_ones_and_zeros_of_a_layer_are_new_whatever_a_candidate_calls_them():
    """A sum of normalised numbers would be 0 with those that the constructor makes."""
    found = assay(kept("self.norm = nn.LayerNorm(columns)\n", "self.norm(x).mean(1)"))
    assert (found.status, found.reason) == ("sound", None)


def test_what_takes_too_long_is_dropped_and_breaks_nothing_after_it():
    source = REFERENCE.replace("RETURNED", "x + 1").replace(
        "class Model(nn.Module):",
        "class Model(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        while columns == 3:\n            pass\n",
    )
    cases = tuple(Case(name=f"{n}", constants={"rows": 4, "columns": n}, proposed=True) for n in (3, 5))
    made = problem("", mark="slow").model_copy(update={"reference": source, "cases": cases})
    found = tried(made, cases)
    assert [case.case.name for case in found.kept] == ["5"]
    assert "took more than" in found.dropped["3"]


def test_labels_stay_in_their_range_and_probabilities_are_left_as_they_are():
    labels = load_problem(CORPUS / "17_cross_entropy.py").problem
    for case in references(labels, labels.cases):
        assert case.inputs[0].origin.free
        assert case.inputs[1].origin.bounds == (0, case.inputs[0].shape[1])
    sums = load_problem(CORPUS / "19_kl_divergence.py").problem
    assert families(sums) == ("given",)
    assert all(spec.own for spec in references(sums, sums.cases)[0].inputs)


def test_families_on_which_the_answer_is_not_finite_are_left_out():
    logarithm = load_problem(CORPUS / "34_logarithm.py").problem
    assert {"uniform", "given"} <= set(families(logarithm))
    assert not {"normal", "signed", "mixed"} & set(families(logarithm))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("import os; os._exit(3)", "ended the process"),
        pytest.param("while True: pass", "took more than", marks=pytest.mark.slow),
    ],
)
def test_a_file_that_ends_or_stops_the_process_does_not_end_the_batch(line, reason):
    bad = problem(f"x\n    def __init__(self):\n        super().__init__()\n        {line}")
    with Assayer(seconds=90.0 if "exit" in line else 12.0, memory_gb=32.0) as assayer:
        first, second = assayer.run([bad, problem("x * 2")])
    assert (first.status, reason in first.reason) == ("skipped", True), first.reason
    assert (second.status, second.reason) == ("sound", None)


SOUND = Assay(
    problem="a|b", hash="0", status="sound", cases=("1",),
    attacks=(AttackResult(attack="zeros", outcome="skipped", detail="why"),),
)  # fmt: skip
REFUSED = Assay(problem="c", hash="1", status="skipped", reason="because")


def test_the_table_names_each_problem(tmp_path):
    write_table(tmp_path / "t.md", [SOUND, REFUSED])
    text = (tmp_path / "t.md").read_text()
    assert "| a\\|b | sound | 1 | 0 | 0 | - |  |" in text
    assert "| c | skipped | 0 | 0 | 0 |  | because |" in text
    assert "- a|b: zeros skipped, since why" in text
    write_table(tmp_path / "t.json", [SOUND, REFUSED])
    assert [one["problem"] for one in json.loads((tmp_path / "t.json").read_text())] == ["a|b", "c"]
    with pytest.raises(UsageError, match=r"a \.md or a \.json"):
        require_table(tmp_path / "t.csv")
    require_table(tmp_path / "t.json")
    assert json.loads((tmp_path / "t.json").read_text())


def test_findings_say_what_was_skipped():
    assert [(found.check, found.ok) for found in findings(SOUND)] == [
        ("zeros: refused", True),
        ("sound", True),
    ]
    assert [(found.ok, found.detail) for found in findings(REFUSED)] == [(False, "skipped: because")]


def command(folder, *words):
    return subprocess.run(
        [Path(sys.executable).parent / "kernel-harness", "validate", *words, "--store", folder / "s.db"],
        cwd=CORPUS / "bad", capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_folder_with_bad_files_is_validated_to_its_end(tmp_path):
    done = command(tmp_path, "--problems", ".", "--table", str(tmp_path / "t.md"))
    assert done.returncode == 1
    lines = {line.split()[1]: line.split()[0] for line in done.stdout.splitlines()}
    assert lines == {
        "constant_answer": "quarantined", "global_random": "skipped", "needs_a_package": "skipped",
        "too_much_memory": "skipped",
    }  # fmt: skip
    for name in ("no_model", "side_effects", "syntax_error"):
        assert f"{name}.py" in done.stderr
    assert "| constant_answer | quarantined |" in (tmp_path / "t.md").read_text()


@pytest.mark.parametrize("name", ["no_model", "global_random"])
def test_a_bad_file_alone_is_an_error(name, tmp_path):
    done = command(tmp_path, f"{name}.py")
    assert (done.returncode, name in done.stderr) == (2, True)
