"""Report and live page in a real browser: Debian's chromium, driven by Playwright."""

import shutil
from contextlib import contextmanager

import pytest
from sample_attempts import attempt, failed, filled, incorrect, passed, prompt, rejected, timing
from test_report import HOSTILE
from test_serve import Served

from eval.records import Violation
from harness.records import Candidate, Reply
from harness.report import Ledger, Shared, render
from harness.scores import facts_of
from harness.store import RunInfo, Store

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright (the extra `dev`)")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium")

CODE = "import torch\nimport triton\nx = 1\n"
SCOPE = Violation(rule="scope", track="stage", severity="error", message="fewer launches", line=2)
ROOM = {"bytes": 8.6e9, "copy_gb_per_s": 3025.0, "samples_ms": {"candidate": (3.0, 3.1), "eager": (9.0, 9.2)}}


def timed(number, speedup, model="alpha", **fields):
    values = {"fraction": speedup / 3.2, **ROOM}
    reply = Reply(model=model, sample=number, text=f"```python\n{CODE}```\n", prompt_hash=prompt().hash)
    return attempt(
        number,
        passed(timing(speedup, speedup / 1.8, speedup / 1.2, **values), violations=(SCOPE,)),
        model=model,
        reply=reply,
        candidate=Candidate(code=CODE, first_line=2),
        **fields,
    )


ROWS = [
    *(timed(n, 1.0 + n / 10) for n in range(1, 12)),
    *(timed(20 + n, 0.8 + n / 5, "beta") for n in range(1, 8)),
    timed(40, 2.0, stage="fusion", created="2026-06-02T00:00:00.000Z"),
    attempt(50, incorrect(detail="12 of 40 differ"), model="beta"),
    attempt(51, rejected("tampering"), model="beta"),
    attempt(52, failed("extract"), model="beta"),
    attempt(53, None, model="beta"),
]


STEPS = [
    {
        "stage": "fusion",
        "kept": True,
        "attempt": ROWS[3].id,
        "ms": 6.9,
        "speedup_current": 1.1,
        "attempts": 4,
    },
    {"stage": "memory_access", "kept": False, "attempt": ROWS[1].id, "note": "no gain beyond doubt " * 4},
]
STAGES = ["fusion", "memory_access", "port"]
OPTIMIZED = RunInfo(
    id="20260601-120000-abcd", command="kernel-harness optimize", state="interrupted", created="2026",
    config={"problem": "scan", "model": "alpha", "stages": STAGES, "steps": STEPS},
    ended=None, replies=3, failed_calls=0, attempts=3, passed=1,
)  # fmt: skip


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@contextmanager
def visit(browser, url, **options):
    """Open a page; whatever it complains of fails the test."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}} | options)
    page = context.new_page()
    complaints = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
    page.on("dialog", lambda dialog: (complaints.append("a dialog"), dialog.dismiss()))
    page.goto(url)
    yield page
    context.close()
    assert complaints == []


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    facts = [facts_of(row)._replace(cost=0.01) for row in ROWS]
    shared = Shared(prompts={prompt().hash: prompt().text}, current={prompt().hash: "import torch\nx = 2\n"})
    ledger = Ledger(runs=(OPTIMIZED,))
    html = render(ROWS, facts=facts, shared=shared, ledger=ledger, generated="now", store="s")
    path.write_text(html, encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    path = tmp_path_factory.mktemp("live") / "s.db"
    filled(path, ROWS).close()
    server = Served(path)
    server.store = path
    yield server
    server.stop()


def sizes(page, selector):
    return [box for found in page.locator(selector).all() if (box := found.bounding_box())]


def test_every_plot_is_drawn_with_size_and_within_its_frame(browser, report):
    with visit(browser, report) as page:
        for section, marks in {
            "#speed": "circle.dot",
            "#fast": "polyline.curve",
            "#roofline": "use.shape",
            "#cost": "use.shape",
            "#progress": "polyline.curve",
            "#outcomes": ".segment rect",
        }.items():
            drawn = sizes(page, f"{section} {marks}")
            frame = page.locator(section).bounding_box()
            assert len(drawn) >= 2, section
            assert all(box["width"] > 0 or box["height"] > 0 for box in drawn), section
            assert all(box["x"] >= frame["x"] - 1 for box in drawn), section
            assert all(box["x"] + box["width"] <= frame["x"] + frame["width"] + 1 for box in drawn), section


def test_filters_search_and_order_of_the_file(browser, report):
    with visit(browser, report) as page:
        visible = page.locator("details.attempt:visible")
        assert visible.count() == len(ROWS)
        page.locator("input[name=status][value=rejected]").check()
        assert visible.count() == 1
        page.locator("input[name=status][value=rejected]").uncheck()
        page.locator("#f-model").select_option("beta")
        assert visible.count() == 11
        page.locator("#f-text").fill("differ")
        page.get_by_text(f"1 of {len(ROWS)} attempts").wait_for()
        page.locator("#f-text").fill("nothing has this")
        page.locator("#none").wait_for(state="visible")


def test_an_opened_attempt_shows_everything(browser, report):
    with visit(browser, report) as page:
        row = page.locator("details.attempt").first
        row.locator("summary").first.click()
        for words in ("Why", "Timing", "Every sample", "Where one call spends its time", "error: scope"):
            row.get_by_text(words).first.wait_for()
        assert row.locator("svg.samples circle").count() == 4
        row.get_by_text("Diff against the current code").click()
        row.locator(".diff .added").first.wait_for()
        assert row.locator(".diff .added").count() == 2
        assert row.locator(".diff .removed").count() == 1
        row.get_by_text("The prompt").click()
        row.get_by_text(prompt().text).wait_for()
        row.get_by_text("Environment, guarantees").click()
        row.get_by_text("3.6.0").wait_for()


def test_a_stage_of_a_run_leads_to_its_attempt(browser, report):
    with visit(browser, report) as page:
        shown = page.locator("#progress tbody tr")
        assert [row.locator("td").nth(1).inner_text() for row in shown.all()] == [
            "\u2713 kept",
            "\u2717 not kept",
            "not tried",
        ]
        page.locator("#progress a").first.click()
        page.locator(f"#a-{ROWS[3].id}[open] .body").wait_for()


@pytest.mark.parametrize("end", ["#%E0%A4%A", "#a-none", "#"])
def test_an_address_that_names_no_attempt_breaks_nothing(browser, report, end):
    with visit(browser, report + end) as page:
        page.locator("#f-model").select_option("beta")
        page.get_by_text(f"11 of {len(ROWS)} attempts").wait_for()


def test_the_keyboard_is_enough(browser, report):
    with visit(browser, report) as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.keyboard.press("Enter")
        page.keyboard.press("/")
        assert page.evaluate("document.activeElement.id") == "f-text"
        page.locator("details.attempt summary").first.focus()
        page.keyboard.press("Enter")
        page.locator(".body").first.wait_for()


def luminance(page, selector, name):
    return page.locator(selector).first.evaluate(
        """(node, name) => {
            const [r, g, b] = getComputedStyle(node)[name].match(/[\\d.]+/g).map((v) => {
                const c = Number(v) / 255;
                return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
            });
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        }""",
        name,
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_both_schemes(browser, report, scheme):
    with visit(browser, report, color_scheme=scheme) as page:
        paper = luminance(page, "body", "backgroundColor")
        assert (paper < 0.1) == (scheme == "dark")
        for selector in ("h1", ".quiet", "td", ".badge", "nav a"):
            ink = luminance(page, selector, "color")
            contrast = (max(ink, paper) + 0.05) / (min(ink, paper) + 0.05)
            assert contrast >= 4.5, selector


@pytest.mark.parametrize("width", [320, 390, 768])
def test_nothing_is_wider_than_a_narrow_screen(browser, report, width):
    with visit(browser, report, viewport={"width": width, "height": 800}) as page:
        for row in page.locator("details.attempt").all()[:2]:
            row.locator("summary").first.click()
        page.evaluate("for (const more of document.querySelectorAll('details.more')) more.open = true")
        page.wait_for_timeout(200)
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def hostile():
    text = "\n".join(HOSTILE[:5])
    verdict = passed(
        timing(2.0, **ROOM),
        detail=HOSTILE[0],
        output=text,
        violations=(Violation(rule="scope", track="stage", severity="error", message=HOSTILE[1], line=2),),
    )
    return attempt(
        77,
        verdict,
        model=HOSTILE[0],
        stage=HOSTILE[3],
        text=text,
        candidate=Candidate(code=text, first_line=1),
    )


def opens_harmlessly(page):
    if not page.locator("details.attempt[open]").count():
        page.locator("details.attempt summary").first.click()
    page.locator(".body").first.wait_for()
    page.evaluate("for (const more of document.querySelectorAll('details.more')) more.open = true")
    assert "pwned" not in page.title()
    assert page.locator("img").count() == 0
    assert page.locator("svg[onload], [onerror]").count() == 0
    assert page.get_by_text(HOSTILE[0]).count() > 0


@pytest.mark.parametrize(
    ("text", "first", "most"),
    [
        ("a\u202eb", "U+202E", 2),
        ("\u202e" * 60_000, "U+202E \N{MULTIPLICATION SIGN}60000", 2),
        ("\u202ea\u200bb" * 15_000, "U+202E", 1000),
    ],
    ids=["one", "a run", "many"],
)
def test_invisible_characters_are_shown_and_stop_no_page(browser, tmp_path, text, first, most):
    path = tmp_path / "report.html"
    row = attempt(1, incorrect(), text=text, candidate=Candidate(code=text, first_line=1))
    path.write_text(render([row], generated="now", store="s"), encoding="utf-8")
    with visit(browser, path.as_uri()) as page:
        page.locator("details.attempt summary").first.click()
        page.locator(".body").wait_for()
        marks = page.locator(".hidden-char")
        assert marks.first.text_content() == first
        assert marks.count() == most
        assert "\u202e" not in page.locator(".body").text_content()


def test_a_candidate_runs_nothing_in_the_file(browser, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(render([hostile()], generated="now", store="s"), encoding="utf-8")
    with visit(browser, path.as_uri()) as page:
        opens_harmlessly(page)


def test_a_candidate_runs_nothing_in_the_live_page(browser, tmp_path):
    filled(tmp_path / "s.db", [hostile()]).close()
    server = Served(tmp_path / "s.db")
    try:
        with visit(browser, server.url) as page:
            opens_harmlessly(page)
    finally:
        server.stop()


def test_the_live_page_has_filters_in_its_address_and_follows_the_store(browser, served):
    with visit(browser, served.url) as page:
        page.locator("#live[data-connected]").wait_for()
        page.locator("select[name=model]").select_option("beta")
        page.wait_for_url("**model=beta**")
        page.wait_for_function("document.querySelectorAll('details.attempt').length == 11")
        page.locator("input[value=rejected]").check()
        page.wait_for_url("**status=rejected**")
        page.wait_for_function("document.querySelectorAll('details.attempt').length == 1")
        page.locator(".body").wait_for()  # the only one opens by itself
        with Store(served.store) as store, store.run("kernel-harness eval more"):
            filled(served.store, [timed(90, 3.0)]).close()
            page.get_by_text("1 run at work").wait_for()
            page.get_by_text("Show 1 new attempt").click()
        page.locator("#live[data-connected]").wait_for()
        assert page.locator("#fresh").is_hidden()


@pytest.mark.parametrize("width", [390, 1280])
def test_the_live_page_fits_its_screen(browser, served, width):
    with visit(browser, served.url, viewport={"width": width, "height": 800}) as page:
        page.locator("#live[data-connected]").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
