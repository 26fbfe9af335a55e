"""What the address chooses: some parameters narrow the scores and the list, some the list alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from eval.records import Record
from harness.records import Facts
from harness.scores import place_name, place_of
from harness.store import RunInfo

PAGE = 100
"""Attempts on one page."""


class Filters(Record):
    """The parameters of an address; an empty text chooses everything."""

    run: str = ""
    model: str = ""
    problem: str = ""
    place: str = ""
    stage: str = ""
    status: tuple[str, ...] = ()
    """These three narrow the list alone: scores over passes alone would lie."""
    legal: str = ""
    q: str = ""
    page: int = 1

    def scope(self, facts: Iterable[Facts]) -> list[Facts]:
        """Return what the scores are over; the run is chosen by the store."""
        return [
            one
            for one in facts
            if self.model in {"", one.model}
            and self.problem in {"", one.problem}
            and self.stage in {"", one.stage}
            and self.place in {"", place_name(place_of(one))}
        ]

    def shows(self, run: RunInfo) -> bool:
        """Tell whether what a run went through belongs on the page."""
        config = run.config
        return (
            self.run in {"", run.id}
            and self.model in {"", config.get("model")}
            and self.problem in {"", config.get("problem")}
            and (not self.stage or self.stage in config.get("stages", ()))
        )

    def listed(self, scope: Iterable[Facts]) -> list[Facts]:
        """Return what the list shows, the fastest passes first, then the newest."""
        words = self.q.lower().split()
        chosen = [
            one
            for one in scope
            if not one.void
            and (not self.status or (one.status or "error") in self.status)
            and self.legal in {"", _legal(one)}
            and all(word in _text(one) for word in words)
        ]
        newest = sorted(chosen, key=lambda one: one.created, reverse=True)
        return sorted(newest, key=lambda one: -(one.eager or 0.0) if one.status == "passed" else 1.0)

    def cut(self, listed: Sequence[Facts]) -> Sequence[Facts]:
        """Return the attempts of this page."""
        return listed[(self.page - 1) * PAGE : self.page * PAGE]

    def address(self, **changes: Any) -> str:
        """Return the address of these filters with some changed; what chooses everything is left away."""
        values = self.model_dump() | changes
        kept = {
            name: value
            for name, value in values.items()
            if value not in {"", ()} and (name, value) != ("page", 1)
        }
        return "/?" + urlencode(kept, doseq=True) if kept else "/"


def filters_of(query: Mapping[str, str], statuses: Sequence[str]) -> Filters:
    """Return the filters of an address; a page that is no number is the first."""
    names = ("run", "model", "problem", "place", "stage", "legal", "q")
    page = query.get("page", "1")
    return Filters(
        **{name: query.get(name, "") for name in names},
        status=tuple(statuses),
        page=max(1, int(page)) if page.isdecimal() and len(page) < 8 else 1,  # noqa: PLR2004 - no page has more digits
    )


def _legal(facts: Facts) -> str:
    return {True: "yes", False: "no", None: "open"}[facts.stage_legal]


def _text(facts: Facts) -> str:
    rules = " ".join(rule for _, rule, _ in facts.broken)
    parts = (
        facts.id,
        facts.model,
        f"#{facts.sample}",
        facts.problem,
        facts.stage,
        facts.status,
        facts.kind,
        rules,
    )
    return " ".join(part for part in parts if part).lower()
