import json
import re
import shutil
import subprocess
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser

import pytest
from sample_attempts import CODE, attempt, failed, incorrect, passed, rejected, timing
from typer.testing import CliRunner

from eval.records import ConfigTime, Violation
from harness.cli import app
from harness.records import Candidate
from harness.report import headline, render, why
from harness.report.rows import TEXT_LIMIT
from harness.report.why import FAILED, INCORRECT, REJECTED
from harness.store import JudgeKey, Store

HOSTILE = [
    '</script><script>document.title="pwned"</script>',
    "</ScRiPt ><img src=x onerror=alert(1)>",
    "<!-- <script>",
    '"><svg onload=alert(1)>',
    "</details></main></body></html>",
    "{{ 7*7 }} {% raw %} ${x} ]]> \u2028 \u2029 \u202e \x00 \x1b[31m",
    "&lt;script&gt; &amp;amp; \\u003c",
]

EVERY_KIND = [
    attempt(1, passed(timing(2.96, 1.64, 2.53, fraction=0.93), stage=False), model="alpha"),
    attempt(2, passed(timing(1.17, 0.65, 1.0)), model="alpha"),
    attempt(3, passed(device="cpu", stage=None), model="beta", run="r2"),
    attempt(4, incorrect("shape", detail="expected (6, 14), got (7, 13)"), model="beta"),
    attempt(
        5,
        rejected(
            violations=(Violation(rule="imports", track="open", severity="error", message="no time", line=2),)
        ),
    ),
    attempt(6, failed("extract", detail="the fence is not closed"), candidate=None),
    attempt(7, None),
]


class Page(HTMLParser):
    """What a browser would make of the page: the elements, and the text of the scripts."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.scripts, self.styles, self.text, self.inside = [], [], [], [], None
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.inside = tag if tag in {"script", "style"} else None
        if tag == "script":
            self.scripts.append((dict(attrs).get("type"), []))

    def handle_endtag(self, tag):
        self.inside = None

    def handle_data(self, data):
        if self.inside == "script":
            self.scripts[-1][1].append(data)
        elif self.inside == "style":
            self.styles.append(data)
        else:
            self.text.append(data)

    def details(self):
        blocks = [json.loads("".join(parts)) for kind, parts in self.scripts if kind == "application/json"]
        return [block for block in blocks if "attempt" in block]

    def code_scripts(self):
        return ["".join(parts) for kind, parts in self.scripts if kind != "application/json"]

    def find(self, tag, **wanted):
        return [a for t, a in self.elements if t == tag and all(a.get(k) == v for k, v in wanted.items())]

    def words(self):
        return " ".join(" ".join(self.text).split())


def page(attempts):
    return Page(render(attempts, generated="1 June 2026", store="kernel-harness.db"))


def code_of(detail):
    if detail["code_lines"] is None:
        return detail["attempt"]["candidate"]["code"]
    first, count = detail["code_lines"]
    return "\n".join(detail["attempt"]["reply"]["text"].split("\n")[first : first + count])


def test_every_attempt_has_a_row_and_its_whole_story():
    got = page(EVERY_KIND)
    assert {row["id"] for row in got.find("details", **{"class": "attempt"})} == {
        f"a-{a.id}" for a in EVERY_KIND
    }
    details = {detail["attempt"]["id"]: detail for detail in got.details()}
    for row in EVERY_KIND:
        detail = details[row.id]
        assert tuple(detail["why"]) == why(row)
        assert detail["attempt"]["reply"]["text"] == row.reply.text
        assert (detail["attempt"]["verdict"] is None) == (row.verdict is None)
        if row.candidate:
            assert code_of(detail) == CODE.removesuffix("\n")


def test_the_fastest_pass_stands_first_and_our_errors_are_there():
    rows = page(EVERY_KIND).find("details", **{"class": "attempt"})
    assert [row["data-status"] for row in rows] == [
        *["passed"] * 3,
        "incorrect",
        "rejected",
        "failed",
        "error",
    ]
    assert rows[0]["id"] == "a-000001"


def test_code_that_is_not_in_the_reply_to_the_letter_is_carried_beside_it():
    moved = Candidate(code="x = 2\n", first_line=2)
    (detail,) = page([attempt(1, incorrect(), candidate=moved)]).details()
    assert (detail["code_lines"], code_of(detail)) == (None, "x = 2\n")


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(text):
    row = attempt(
        1,
        rejected(
            "tampering",
            detail=text,
            output=text,
            violations=(Violation(rule=text, track="open", severity="error", message=text, line=1),),
        ),
        model=text,
        problem=text,
        stage=text,
        text=text,
        candidate=Candidate(code=text, first_line=1),
        error=text,
    )
    harmless, hostile = page([attempt(1, rejected("tampering"))]), page([row])
    (detail,) = hostile.details()
    assert detail["attempt"]["reply"]["text"] == text
    assert detail["attempt"]["verdict"]["violations"][0]["message"] == text
    assert len(hostile.code_scripts()) == len(harmless.code_scripts()) == 1
    assert hostile.code_scripts() == harmless.code_scripts()
    tags = {tag for tag, _ in harmless.elements} | {"option", "select"}
    assert {tag for tag, _ in hostile.elements} <= tags
    assert not [name for _, attributes in hostile.elements for name in attributes if name.startswith("on")]
    assert hostile.find("details", **{"class": "attempt"})[0]["data-model"] == text


def test_nothing_is_loaded_from_anywhere():
    got = page(EVERY_KIND)
    links = [
        a[name] for _, a in got.elements for name in ("src", "href", "xlink:href", "action") if name in a
    ]
    assert links
    assert all(link.startswith("#") for link in links)
    assert not [
        tag for tag, _ in got.elements if tag in {"link", "iframe", "object", "embed", "img", "base", "form"}
    ]
    assert not [a for _, a in got.elements if "style" in a]
    assert "url(" not in "".join(got.styles)
    assert "@import" not in "".join(got.styles)


def test_the_policy_allows_our_own_script_and_style_alone():
    html = render(EVERY_KIND, generated="now", store="s")
    got = Page(html)
    (policy,) = got.find("meta", **{"http-equiv": "Content-Security-Policy"})
    rules = dict(rule.strip().split(" ", 1) for rule in policy["content"].split(";"))

    def digest(text):
        return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"

    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == digest(got.code_scripts()[0])
    assert rules["style-src"] == digest(re.search("<style>(.*?)</style>", html, re.DOTALL)[1])


def test_the_script_never_parses_html():
    (script,) = page(EVERY_KIND).code_scripts()
    for sink in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function("):
        assert sink not in script


def test_the_plot_has_a_dot_for_each_timed_pass_and_a_line_for_each_baseline():
    got = page(EVERY_KIND)
    dots = [a["href"] for tag, a in got.elements if tag == "a" and a.get("tabindex") == "-1"]
    assert sorted(dots) == ["#a-000001", "#a-000002"]
    words = got.words()
    for mark in ("eager 1.00", "torch.compile 1.", "current code 1.", "floor 3.18"):
        assert mark in words


def test_every_dot_and_line_lies_within_the_plot():
    html = render(
        [attempt(n, passed(timing(ratio, 2.0, 3.0))) for n, ratio in enumerate([0.01, 1.0, 1.0, 1.0, 250.0])],
        generated="now",
        store="s",
    )
    plot = re.search('<svg class="plot".*?</svg>', html, re.DOTALL)[0]
    places = [float(x) for x in re.findall(r'(?:cx|x|x1)="([\d.]+)%"', plot)]
    assert len(places) > 8
    assert all(0 <= x <= 100 for x in places)
    assert len(set(re.findall(r'cy="([\d.]+)"', plot))) == 3  # three equal speeds are stacked


def test_without_a_gpu_the_report_says_not_timed_and_draws_no_plot():
    got = page([attempt(1, passed(device="cpu", stage=None)), attempt(2, incorrect(device="cpu"))])
    assert "Correct, not timed" in got.words()
    assert not [a for _, a in got.elements if a.get("class") in {"plot", "strip"}]
    assert not got.find("a", href="#speed")


def test_where_nothing_is_correct_the_report_does_not_call_it_correct():
    words = page([EVERY_KIND[3], EVERY_KIND[5]]).words()
    assert "Nothing was correct, so there is no speed to show." in words
    assert "Correct, not timed" not in words


@pytest.mark.parametrize(
    "attempts",
    [EVERY_KIND[:1], EVERY_KIND[2:3], EVERY_KIND[6:], [EVERY_KIND[3], EVERY_KIND[5]]],
    ids=["one timed", "one on a CPU", "our error alone", "all failed"],
)
def test_small_stores(attempts):
    assert len(page(attempts).details()) == len(attempts)


def test_an_empty_store():
    got = page([])
    assert "There are no attempts" in got.words()
    assert got.details() == []


def test_struck_attempts_are_counted_and_other_rules_are_listed_unscored():
    got = page([*EVERY_KIND, attempt(8, incorrect(), void_reason="x"), attempt(9, incorrect(), rules="off")])
    assert "1 voided, 1 judged under other than the strict rules" in got.words()
    ids = {row["id"] for row in got.find("details", **{"class": "attempt"})}
    assert "a-000008" not in ids
    assert "a-000009" in ids


def test_numbers_that_json_does_not_know_become_null():
    odd = timing(
        2.0, fraction=float("nan"), configs=(ConfigTime(kernel="k", config={"a": float("inf")}, ms=None),)
    )
    (detail,) = page([attempt(1, passed(odd))]).details()
    assert detail["attempt"]["verdict"]["timing"]["fraction_of_floor"] is None
    assert detail["attempt"]["verdict"]["timing"]["configs"][0]["config"] == {"a": None}


def test_half_a_character_does_not_stop_the_report():
    html = render(
        [attempt(1, incorrect(detail="\udc80"), text="a\ud800b", model="m\ud800")], generated="now", store="s"
    )
    assert Page(html.encode().decode()).details()[0]["attempt"]["reply"]["text"] == "a?b"


def test_a_huge_reply_is_cut_and_the_page_knows_how_much_there_was():
    long = "x = 1\n" * 100_000
    (detail,) = page(
        [attempt(1, incorrect(), text=long, candidate=Candidate(code=long, first_line=1))]
    ).details()
    assert len(detail["attempt"]["reply"]["text"]) == TEXT_LIMIT
    assert (detail["reply_length"], detail["code_length"]) == (600_000, 600_000)


@pytest.mark.parametrize("reason", INCORRECT)
def test_every_reason_for_wrong_is_explained(reason):
    assert headline(attempt(1, incorrect(reason))) == INCORRECT[reason][0]
    assert why(attempt(1, incorrect(reason, detail="Case x.")))[:2] == (INCORRECT[reason][1], "Case x.")


def test_every_rejection_and_failure_is_explained():
    for reason, (_, sentence) in REJECTED.items():
        assert why(attempt(1, rejected(reason)))[0] == sentence
    for phase, (short, sentence) in FAILED.items():
        assert (headline(attempt(1, failed(phase))), why(attempt(1, failed(phase)))[0]) == (short, sentence)


def test_why_a_fast_pass_is_off_the_stage_track():
    scope = Violation(rule="scope", track="stage", severity="error", message="m", line=1)
    row = attempt(
        1, passed(timing(2.96, 1.64, fraction=0.93, decision="keep"), stage=False, violations=(scope,))
    )
    assert headline(row) == "correct; breaks scope"
    text = " ".join(why(row))
    for part in (
        "2.96",
        "torch.compile",
        "93 %",
        "Keep",
        "breaks the stage tuning (scope)",
        "open track only",
    ):
        assert part in text
    assert "current code" not in why(row)[1]


def test_why_the_floor_is_where_it_is():
    row = attempt(1, passed(timing(2.0, fraction=0.5, floor_by="flops", floor_source="spec")))
    assert "is 2.84 ms, set by arithmetic and not by memory, by the GPU's data sheet: it" in " ".join(
        why(row)
    )


def test_why_not_timed():
    assert "not timed" in why(attempt(1, passed(device="cpu", stage=None)))[0]
    assert "not decided" in why(attempt(1, passed(device="cpu", stage=None)))[1]


def test_our_own_failure_is_not_the_candidates():
    assert why(attempt(1, None))[1] == "EnvironmentFailure: the driver went away"


def test_the_command_writes_one_file_and_prints_its_path(tmp_path):
    with Store(tmp_path / "s.db") as opened, opened.run("eval") as run:
        row = EVERY_KIND[0]
        key = JudgeKey(candidate_hash="c", problem="scan", problem_hash="p", device="cuda", evaluator="0.1.0")
        reply = opened.save_reply(run, row.reply)
        opened.save_attempt(run, reply, key, candidate=row.candidate, verdict=row.verdict)
    target = tmp_path / "new" / "report.html"
    arguments = ["report", "--store", str(tmp_path / "s.db"), "--output", str(target)]
    result = CliRunner().invoke(app, arguments, standalone_mode=False)
    assert (result.stdout, result.exception) == (f"{target}\n", None)
    assert len(Page(target.read_text()).details()) == 1
    assert [path.name for path in target.parent.iterdir()] == ["report.html"]


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium")
def test_a_real_browser_draws_an_attempt_and_runs_nothing_of_it(tmp_path):
    hostile = "\n".join(HOSTILE[:5])
    row = attempt(
        1,
        passed(
            timing(2.96, 1.64),
            violations=(
                Violation(rule="scope", track="stage", severity="error", message=HOSTILE[0], line=2),
            ),
        ),
        model=HOSTILE[0],
        text=hostile,
        candidate=Candidate(code=hostile, first_line=1),
    )
    path = tmp_path / "report.html"
    path.write_text(render([row, *EVERY_KIND[1:]], generated="now", store="s"), encoding="utf-8")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--dump-dom"]
    flags += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    command = [CHROMIUM, *flags, f"--user-data-dir={tmp_path / 'profile'}", f"{path.as_uri()}#a-{row.id}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    drawn = Page(done.stdout)
    opened = drawn.find("details", id=f"a-{row.id}")[0]
    assert "open" in opened
    lines = [a for tag, a in drawn.elements if tag == "span" and (a.get("class") or "").startswith("line")]
    assert len(lines) == len(HOSTILE[:5])
    assert [a["data-n"] for a in lines if "marked" in a["class"]] == ["2"]
    assert "error: scope" in drawn.words()
    assert not drawn.find("img")
    assert "<title>scan" in done.stdout
    assert "pwned" not in re.search("<title>(.*?)</title>", done.stdout)[1]
    assert "7 attempts" in drawn.words()
