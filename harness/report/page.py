"""Puts the page together: one HTML file that loads nothing and in which no candidate's text can run.

The policy in the page's head names the hashes of our own script and style and allows nothing else;
what came from a model is escaped by Jinja or sits in JSON blocks that are drawn as text.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from eval.records import Record
from harness.records import Attempt, Facts
from harness.report.outcomes import STATUSES
from harness.report.rows import Row, Shared, row, script_json, sort_key
from harness.report.sections import Ledger, Sections, sections
from harness.scores import BASELINES, KS, SCORE_VERSION, THRESHOLDS, facts_of, percent, times
from harness.scores.words import measured_text, money, rank_text

_HERE = Path(__file__).parent


def render(
    attempts: Iterable[Attempt],
    *,
    generated: str,
    store: str,
    facts: Iterable[Facts] | None = None,
    shared: Shared | None = None,
    ledger: Ledger | None = None,
) -> str:
    """Return the report as one HTML document.

    `generated` and `store` are shown as they are; `facts` are the attempts' from the store, which alone
    knows their cost; `shared` holds prompts and current codes, `ledger` the runs. Half characters, which
    a model's JSON can hold and no file can, become question marks. Struck attempts are counted and not
    listed; attempts judged under other rules are listed and not scored.
    """
    everything = list({attempt.id: attempt for attempt in attempts}.values())
    listed = [attempt for attempt in everything if attempt.void_reason is None]
    known = list(map(facts_of, everything) if facts is None else facts)
    page = sections(known, ledger)
    rows = sorted((row(attempt, stale=attempt.id in page.stale_ids) for attempt in listed), key=sort_key)
    return _render(rows, page, shared or Shared(), live=None, generated=generated, store=store)


class Live(Record):
    """What the live page knows beside the report."""

    progress: dict[str, Any]
    filters: dict[str, Any]
    choices: dict[str, list[str]]
    """What each filter can be set to."""
    total: int
    """Attempts that match, on all pages."""
    page: int
    pages: int
    before: str | None
    """Address of the page before."""
    after: str | None


def render_live(
    attempts: Iterable[Attempt], page: Sections, live: Live, shared: Shared, *, generated: str, store: str
) -> str:
    """Return the live page: the attempts in the order given, the sections as they were counted."""
    rows = [row(attempt, stale=attempt.id in page.stale_ids) for attempt in attempts]
    return _render(rows, page, shared, live=live, generated=generated, store=store)


def _render(
    rows: Sequence[Row], page: Sections, shared: Shared, *, live: Live | None, generated: str, store: str
) -> str:
    script, style = _script(live=live is not None), _asset("report.css")
    text = (
        _environment()
        .get_template("page.html.j2")
        .render(
            policy=_policy(script, style, live=live is not None),
            script=Markup(script),  # noqa: S704 - our own file
            style=Markup(style),  # noqa: S704 - our own file
            generated=generated,
            store=store,
            live=live,
            score_version=SCORE_VERSION,
            baselines=BASELINES,
            thresholds=[f"{p:g}" for p in THRESHOLDS],
            ks=[str(k) for k in KS],
            page=page,
            statuses=STATUSES,
            rows=rows,
            shared=script_json(shared.model_dump()),
            models=sorted({line.model for line in rows}),
            problems=sorted({line.problem for line in rows}),
            places=sorted({line.place for line in rows}),
        )
    )
    return text.encode("utf-8", errors="replace").decode("utf-8")


def live_policy() -> str:
    """Return the policy that the live page's answers carry in their header."""
    return _policy(_script(live=True), _asset("report.css"), live=True)


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE, encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": percent,
        "times": times,
        "measured": measured_text,
        "money": money,
        "rank": rank_text,
    }
    return environment


def _script(*, live: bool) -> str:
    return _asset("code.js", "diff.js", "timing.js", "report.js", "live.js" if live else "filter.js")


@cache
def _asset(*names: str) -> str:
    return "\n" + "\n".join((_HERE / name).read_text(encoding="utf-8") for name in names)


@cache
def _policy(script: str, style: str, *, live: bool) -> str:
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src '{_hash(script)}'",
            f"style-src '{_hash(style)}'",
            "base-uri 'none'",
            "form-action 'self'" if live else "form-action 'none'",
            *(["connect-src 'self'"] if live else []),
            "require-trusted-types-for 'script'",
        )
    )


def _hash(text: str) -> str:
    return "sha256-" + b64encode(sha256(text.encode()).digest()).decode()
