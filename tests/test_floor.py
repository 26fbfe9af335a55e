"""What the numbers are compared with: the ceilings of a GPU, and the floor that follows from them."""

import json

import pytest

pytest.importorskip("torch", reason="needs the extra `eval`")

from eval.judge.ceilings import Ceiling, Ceilings, cache_folder
from eval.judge.floor import Floor, floor_of, product_kind
from eval.judge.peak import core_flops_a_second
from eval.judge.result import floor_facts
from eval.records import Timing

COPY, SPEC_COPY = 3.0e12, 3.35e12
PRODUCT, SPEC_PRODUCT = {"bfloat16": 7e14, "float32": 5e13}, {"bfloat16": 9.9e14, "float32": 6.7e13}


class Card:
    """A GPU on which nothing is run."""

    def __init__(self, *, room=True, calm=True, known=True):
        self.room, self.calm, self.known = room, calm, known
        self.measured = []

    def measure(self, what):
        self.measured.append(what)
        if not self.room:
            raise RuntimeError("CUDA out of memory")
        return COPY if what == "copy" else PRODUCT[what]

    def spec(self, what):
        return (SPEC_COPY if what == "copy" else SPEC_PRODUCT.get(what)) if self.known else None

    def undisturbed(self):
        return self.calm


def test_a_limit_is_measured_once_for_a_process():
    card = Card()
    limits = Ceilings(card, "H100", None)
    assert [limits.copy() for _ in range(3)] == [Ceiling(COPY, "measured")] * 3
    assert limits.matmul("float32") == Ceiling(5e13, "measured")
    assert card.measured == ["copy", "float32"]


def test_a_limit_is_kept_for_later_processes_of_the_same_card_alone(tmp_path):
    folder = tmp_path / "cache" / "kernel-harness"
    Ceilings(Card(), "H100", folder).copy()
    again, other = Card(), Card()
    assert Ceilings(again, "H100", folder).copy() == Ceiling(COPY, "measured")
    assert Ceilings(other, "4090", folder).copy() == Ceiling(COPY, "measured")
    assert (again.measured, other.measured) == ([], ["copy"])
    assert Ceilings(again, "H100", folder).matmul("bfloat16").value == 7e14
    assert [path.name for path in folder.iterdir()] == ["gpu_ceilings.json"]


def test_what_was_measured_on_a_disturbed_card_is_not_kept(tmp_path):
    card = Card(calm=False)
    limits = Ceilings(card, "H100", tmp_path)
    assert [limits.copy().value, limits.copy().value] == [COPY, COPY]
    assert card.measured == ["copy", "copy"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"H100 v1": 3}', '{"H100 v1": {"copy": "fast"}}', '{"H100 v1": {"copy": -1.0}}',
             '{"H100 v1": {"copy": NaN}}', '{"H100 v1": {"copy": 0.0}}', '{"H100 v0": {"copy": 1.0}}'],
)  # fmt: skip
def test_a_file_that_holds_nothing_of_use_is_measured_over(tmp_path, text):
    (tmp_path / "gpu_ceilings.json").write_text(text)
    assert Ceilings(Card(), "H100", tmp_path).copy() == Ceiling(COPY, "measured")
    assert json.loads((tmp_path / "gpu_ceilings.json").read_text())["H100 v1"] == {"copy": COPY}


def test_a_folder_that_cannot_be_written_is_done_without(tmp_path):
    (tmp_path / "file").write_text("")
    assert Ceilings(Card(), "H100", tmp_path / "file" / "folder").copy() == Ceiling(COPY, "measured")


def test_what_cannot_be_measured_is_taken_from_the_data_sheet():
    limits = Ceilings(Card(room=False), "H100", None)
    assert limits.copy() == Ceiling(SPEC_COPY, "spec")
    assert limits.matmul("float64") is None
    assert Ceilings(Card(room=False, known=False), "H100", None).copy() is None


@pytest.mark.parametrize(
    ("said", "home", "folder"),
    [
        ("/caches", "/home/a", "/caches/kernel-harness"),
        ("", "/home/a", "/home/a/.cache/kernel-harness"),
        ("relative", "/home/a", "/home/a/.cache/kernel-harness"),
        ("", "", None),
    ],
)
def test_where_limits_are_kept(monkeypatch, said, home, folder):
    monkeypatch.setenv("XDG_CACHE_HOME", said)
    monkeypatch.setenv("HOME", home)
    found = cache_folder()
    assert (found and str(found)) == folder


@pytest.mark.parametrize(
    ("dtypes", "tf32", "kind"),
    [
        (["float32"], False, "float32"),
        (["float32"], True, "tfloat32"),
        (["float32", "bfloat16"], False, "bfloat16"),
        (["float16", "bfloat16"], True, "float16"),
        (["float64", "int64"], False, "float64"),
        (["int64"], False, None),
        ([], False, None),
    ],
)
def test_the_kind_of_product(dtypes, tf32, kind):
    assert product_kind(dtypes, tf32=tf32) == kind


@pytest.mark.parametrize(
    ("moved", "flops", "kind", "ms", "by", "measured"),
    [
        (8.59e9, None, "float32", 8.59e9 / COPY * 1e3, "bytes", ["copy"]),
        (8.59e9, 1e9, "float32", 8.59e9 / COPY * 1e3, "bytes", ["copy"]),
        (4e8, 1.1e12, "bfloat16", 1.1e12 / 7e14 * 1e3, "flops", ["copy", "bfloat16"]),
        (4e9, 6e11, "bfloat16", 4e9 / COPY * 1e3, "bytes", ["copy", "bfloat16"]),
        (4e8, 1.1e12, None, 4e8 / COPY * 1e3, "bytes", ["copy"]),
        (4e8, 1e11, "float32", 1e11 / 5e13 * 1e3, "flops", ["copy", "float32"]),
    ],
)
def test_the_floor_is_the_later_of_two_times(moved, flops, kind, ms, by, measured):
    card = Card()
    floor = floor_of(moved, flops, kind, Ceilings(card, "H100", None))
    assert floor.ms == pytest.approx(ms)
    assert (floor.by, floor.source, floor.note) == (by, "measured", None)
    assert card.measured == measured


def test_a_floor_by_data_sheet_says_so():
    floor = floor_of(8.59e9, None, None, Ceilings(Card(room=False), "H100", None))
    assert floor.ms == pytest.approx(8.59e9 / SPEC_COPY * 1e3)
    assert floor.note == "the floor is by the GPU's data sheet: a copy could not be measured here"
    assert floor_facts(floor, 3.0)["floor_source"] == "spec"
    assert floor_facts(floor, 3.0)["copy_gb_per_s"] is None


def test_a_card_of_which_nothing_is_known_has_no_floor():
    assert floor_of(8.59e9, 1e12, "float32", Ceilings(Card(room=False, known=False), "H100", None)) is None
    assert floor_facts(None, 3.0) == {}


def test_without_a_data_sheet_products_are_measured():
    card = Card(known=False)
    assert floor_of(8.59e9, 1e9, "float32", Ceilings(card, "H100", None)).by == "bytes"
    assert card.measured == ["copy", "float32"]


def test_a_verdict_says_what_its_floor_rests_on():
    floor = Floor(1.57, "flops", "measured", Ceiling(COPY, "measured"), Ceiling(7e14, "measured"))
    facts = floor_facts(floor, 3.14)
    assert facts == {
        "floor_ms": 1.57, "fraction_of_floor": pytest.approx(0.5), "floor_by": "flops",
        "floor_source": "measured", "copy_gb_per_s": 3000.0, "peak_tflop_per_s": 700.0,
    }  # fmt: skip
    old = {"candidate_ms": {"median": 1, "low": 1, "high": 1, "samples": 20}, "speedup": {}, "floor_ms": 2.8}
    old["eager_ms"] = old["candidate_ms"]
    assert Timing.model_validate(old | facts).peak_tflop_per_s == 700
    assert Timing.model_validate(old).floor_by is None


@pytest.mark.parametrize(
    ("capability", "sms", "clock", "sheet"),
    [((9, 0), 132, 1.98e9, 67e12), ((8, 9), 128, 2.52e9, 82.6e12), ((8, 0), 108, 1.41e9, 19.5e12)],
)
def test_cores_do_what_the_data_sheet_says(capability, sms, clock, sheet):
    assert core_flops_a_second(capability, sms, clock) == pytest.approx(sheet, rel=0.01)
    assert core_flops_a_second((6, 1), sms, clock) is None
    assert core_flops_a_second(capability, sms, 0.0) is None
