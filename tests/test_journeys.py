"""What `optimize` went through, from the run's record to the report."""

import pytest
from sample_attempts import attempt, passed, timing

from harness.errors import EnvironmentFailure
from harness.report import Ledger, render
from harness.report.journeys import journeys
from harness.scores import facts_of
from harness.serve.filters import Filters
from harness.store import Store

STAGES = ["fusion", "memory_access", "final_micro_tuning"]
KEPT = {
    "stage": "fusion", "kept": True, "attempt": "000001", "before_ms": 7.69, "ms": 3.0, "attempts": 4,
    "speedup_current": 2.563, "repairs": 1, "note": None, "status": "passed", "decision": "keep",
}  # fmt: skip
LEFT = {
    "stage": "memory_access",
    "kept": False,
    "attempt": None,
    "attempts": 2,
    "note": "no <b>pass</b>",
}
FACTS = [facts_of(attempt(1, passed(timing(3.0, current=2.56))))]


def ran(store, steps, state="done", **config):
    said = {"problem": "scan", "model": "alpha", "stages": STAGES}
    run = store.start_run("kernel-harness optimize", said | config)
    for number in range(len(steps)):
        store.note(run, {"steps": steps[: number + 1]})
    store.end_run(run, state)
    return run


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "s.db") as opened:
        yield opened


def test_each_stage_says_what_came_of_it(store):
    run = ran(store, [KEPT, LEFT], "interrupted")
    store.start_run("kernel-harness eval a.md")
    (journey,) = journeys(store.runs(), FACTS)
    assert (journey.run, journey.state, journey.timed) == (run, "interrupted", True)
    assert journey.title == "scan · alpha · NVIDIA H100 80GB HBM3"
    shown = [(line.stage, line.kept, line.time, line.eager, line.before) for line in journey.lines]
    assert shown == [
        ("fusion", True, "3 ms", "3.00\N{MULTIPLICATION SIGN}", "2.56\N{MULTIPLICATION SIGN}"),
        ("memory_access", False, "", "", ""),
        ("final_micro_tuning", None, "", "", ""),
    ]
    assert [(line.attempts, line.repairs, line.attempt) for line in journey.lines] == [
        (4, 1, "000001"),
        (2, 0, None),
        (0, 0, None),
    ]


def test_a_note_adds_to_what_is_known_of_a_run(store):
    run = ran(store, [LEFT, KEPT])
    (info,) = store.runs()
    assert (info.id, info.config["model"], info.config["stages"]) == (run, "alpha", STAGES)
    assert info.config["steps"] == [LEFT, KEPT]


def test_a_note_is_news_for_the_live_page(store):
    before = store.fingerprint()
    ran(store, [KEPT])
    assert store.fingerprint() != before


def test_a_struck_attempt_has_no_link(store):
    ran(store, [KEPT])
    (journey,) = journeys(store.runs(), [FACTS[0]._replace(void=True)])
    assert (journey.lines[0].attempt, journey.lines[0].eager, journey.lines[0].time) == (None, "", "3 ms")


def test_the_newest_run_stands_first_and_an_old_one_without_steps_is_left_out(store):
    store.start_run("kernel-harness optimize", {"stages": STAGES, "model": "alpha"})
    names = {ran(store, [KEPT]), ran(store, [LEFT]), ran(store, [KEPT], model="beta")}
    found = [journey.run for journey in journeys(store.runs(), ())]
    assert (set(found), found) == (names, sorted(found, reverse=True))


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [([KEPT], [KEPT], 1), ([KEPT], [KEPT, LEFT], 1), ([], [KEPT], 1), ([KEPT, LEFT], [KEPT], 2)],
)
def test_a_run_that_goes_on_stands_for_the_one_before(store, first, second, told):
    # Ids hold the second alone: two runs of one second would be in no order.
    runs = [ran(store, steps) for steps in (first, second)]
    infos = {info.id: info for info in store.runs()}
    ordered = [infos[run].model_copy(update={"id": f"{at}"}) for at, run in enumerate(runs)]
    found = journeys(ordered, FACTS)
    assert [journey.run for journey in found] == ["1", "0"][:told]


@pytest.mark.parametrize("steps", [[{"stage": "fusion"}], ["fusion"], [{**KEPT, "ms": "fast"}]])
def test_what_optimize_did_not_write_is_named(store, steps):
    run = ran(store, steps)
    with pytest.raises(EnvironmentFailure, match=f"run {run} holds a stage"):
        journeys(store.runs(), FACTS)


def test_the_report_shows_it_and_nothing_in_it_is_markup(store):
    ran(store, [KEPT, LEFT], model="<script>alert(1)</script>")
    html = render([], generated="now", store="s", ledger=Ledger(runs=tuple(store.runs())))
    assert "There are no attempts" in html
    rows = [attempt(1, passed(timing(3.0, current=2.56)))]
    html = render(rows, generated="now", store="s", ledger=Ledger(runs=tuple(store.runs())))
    assert '<section id="progress"' in html
    assert "no &lt;b&gt;pass&lt;/b&gt;" in html
    assert "<script>alert" not in html
    assert "✓ kept" in html
    assert '<a href="#a-000001">' in html


def test_published_prices_are_named_where_costs_are_drawn():
    rows = [attempt(n, passed(timing(2.0 + n))) for n in range(3)]
    facts = [facts_of(row)._replace(cost=0.5) for row in rows]
    source = "list price, genai-prices 9.9"
    given = {"facts": facts, "generated": "now", "store": "s"}
    assert source in render(rows, ledger=Ledger(price_sources=(source,)), **given)
    assert "published ones" not in render(rows, **given)


@pytest.mark.parametrize(
    ("filters", "shown"),
    [
        ({}, True),
        ({"model": "alpha"}, True),
        ({"model": "beta"}, False),
        ({"problem": "norm"}, False),
        ({"stage": "fusion"}, True),
        ({"stage": "port"}, False),
        ({"run": "none"}, False),
    ],
)
def test_the_live_page_shows_the_runs_that_its_filters_choose(store, filters, shown):
    ran(store, [KEPT])
    (info,) = store.runs()
    assert Filters(**filters).shows(info) is shown
