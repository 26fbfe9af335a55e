"""Puts the page together: one HTML file that loads nothing and in which no candidate's text can run.

The policy in the page's head names the hashes of our own script and style and allows nothing else;
what came from a model is escaped by Jinja or sits in JSON blocks that are drawn as text.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from harness.records import Attempt
from harness.report.outcomes import STATUSES, outcomes
from harness.report.overview import boards, figures, title
from harness.report.rows import row, sort_key
from harness.report.strip import strips
from harness.scores import (
    BASELINES,
    SCORE_VERSION,
    THRESHOLDS,
    left_out,
    left_out_text,
    percent,
    score_table,
    times,
)
from harness.scores.selection import is_counted
from harness.scores.words import measured_text

_HERE = Path(__file__).parent


def render(attempts: Iterable[Attempt], *, generated: str, store: str) -> str:
    """Return the report as one HTML document.

    `generated` and `store` are shown as they are. Half characters, which a model's JSON can hold and
    no file can, become question marks. Struck attempts are counted and not listed;
    attempts judged under other rules are listed and not scored.
    """
    everything = list({attempt.id: attempt for attempt in attempts}.values())
    listed = [attempt for attempt in everything if attempt.void_reason is None]
    counted = [attempt for attempt in listed if is_counted(attempt)]
    rows = sorted((row(attempt) for attempt in listed), key=sort_key)
    scores = score_table(counted)
    script, style = _asset("code.js", "report.js"), _asset("report.css")
    text = (
        _environment()
        .get_template("page.html.j2")
        .render(
            policy=_policy(script, style),
            script=Markup(script),  # noqa: S704 - our own file
            style=Markup(style),  # noqa: S704 - our own file
            title=title(listed),
            generated=generated,
            store=store,
            left_out=left_out_text(left_out(everything)),
            score_version=SCORE_VERSION,
            baselines=BASELINES,
            thresholds=[f"{p:g}" for p in THRESHOLDS],
            boards=boards(scores),
            strips=strips(counted),
            outcomes=outcomes(counted),
            statuses=STATUSES,
            rows=rows,
            models=sorted({line.model for line in rows}),
            problems=sorted({line.problem for line in rows}),
            places=sorted({line.place for line in rows}),
            summary=figures(scores, counted),
        )
    )
    return text.encode("utf-8", errors="replace").decode("utf-8")


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE, encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "times": times, "measured": measured_text}
    return environment


def _asset(*names: str) -> str:
    return "\n" + "\n".join((_HERE / name).read_text(encoding="utf-8") for name in names)


def _policy(script: str, style: str) -> str:
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src '{_hash(script)}'",
            f"style-src '{_hash(style)}'",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
        )
    )


def _hash(text: str) -> str:
    return "sha256-" + b64encode(sha256(text.encode()).digest()).decode()
