"""What the page and the JSON are made of, from a store that is opened for each answer and never written."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

from harness.errors import UsageError
from harness.exports.columns import row as flat_row
from harness.leaderboard import as_row
from harness.records import Facts
from harness.report import Ledger, Live, Sections, Shared, render_live, sections
from harness.scores import both_tables, is_counted, place_name, place_of
from harness.serve.filters import PAGE, Filters
from harness.serve.progress import Progress, progress
from harness.store import Store

_KEPT = 8


class _Known(NamedTuple):
    facts: list[Facts]
    sections: Sections
    choices: dict[str, list[str]]


class Views:
    """Answers about one store; what was scored is kept until the store changes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept: OrderedDict[object, _Known] = OrderedDict()
        self._lock = Lock()

    def page(self, filters: Filters) -> str:
        """Return the page as HTML."""
        with Store(self._path, read_only=True) as store:
            known = self._known(store, filters)
            listed = filters.listed(known.facts)
            attempts = store.attempts_of([one.id for one in filters.cut(listed)])
            shared = Shared.of(store.prompt(key) for key in {a.reply.prompt_hash for a in attempts} if key)
            now, live_progress = datetime.now(UTC), progress(store)
        last = max(1, -(-len(listed) // PAGE))
        live = Live(
            progress=live_progress.model_dump(),
            filters=filters.model_dump(),
            choices=known.choices,
            total=len(listed),
            page=filters.page,
            pages=last,
            before=filters.address(page=filters.page - 1) if filters.page > 1 else None,
            after=filters.address(page=filters.page + 1) if filters.page < last else None,
        )
        return render_live(
            attempts,
            known.sections,
            live,
            shared,
            generated=f"{now.day} {now:%B %Y, %H:%M:%S} UTC",
            store=self._path.name,
        )

    def attempt_page(self, attempt_id: str) -> str:
        """Return the page of one attempt. Raises `UsageError`: there is none with that id."""
        with Store(self._path, read_only=True) as store:
            attempt = store.attempt(attempt_id)
        return self.page(Filters(q=attempt.id))

    def leaderboard(self, filters: Filters, *, overall: bool) -> list[dict[str, Any]]:
        """Return the rows of ``leaderboard --json``."""
        with Store(self._path, read_only=True) as store:
            facts = filters.scope(store.facts(run=filters.run or None))
        single, several = both_tables(one for one in facts if is_counted(one))
        return [as_row(score) for score in (several if overall else single)]

    def attempts(self, filters: Filters) -> dict[str, Any]:
        """Return one page of flat rows, and how many there are."""
        with Store(self._path, read_only=True) as store:
            listed = filters.listed(filters.scope(store.facts(run=filters.run or None)))
        rows = [flat_row(one) for one in filters.cut(listed)]
        return {"total": len(listed), "page": filters.page, "attempts": rows}

    def attempt(self, attempt_id: str) -> dict[str, Any]:
        """Return one attempt in full. Raises `UsageError`: there is none with that id."""
        with Store(self._path, read_only=True) as store:
            return store.attempt(attempt_id).model_dump(mode="json")

    def runs(self) -> list[dict[str, Any]]:
        """Return the runs, the oldest first."""
        with Store(self._path, read_only=True) as store:
            return [run.model_dump(mode="json") for run in store.runs()]

    def progress(self) -> Progress:
        """Return how the runs are going."""
        with Store(self._path, read_only=True) as store:
            return progress(store)

    def _known(self, store: Store, filters: Filters) -> _Known:
        chosen = filters.model_dump(include={"run", "model", "problem", "place", "stage"})
        key = (store.fingerprint(), tuple(chosen.values()))
        with self._lock:
            if key not in self._kept:
                self._kept[key] = _know(store, filters)
            self._kept.move_to_end(key)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
            return self._kept[key]


def _know(store: Store, filters: Filters) -> _Known:
    runs = store.runs()
    if filters.run and filters.run not in {run.id for run in runs}:
        raise UsageError(f"no run {filters.run!r} in {store.path}")
    everything = list(store.facts(run=filters.run or None))
    facts = filters.scope(everything)
    shown = tuple(run for run in runs if filters.shows(run))
    ledger = Ledger(runs=shown, price_sources=store.price_sources())
    choices = {**_choices(everything), "run": [run.id for run in runs][::-1]}
    return _Known(facts, sections(facts, ledger), choices)


def _choices(facts: Sequence[Facts]) -> dict[str, list[str]]:
    return {
        "model": sorted({one.model for one in facts}),
        "problem": sorted({one.problem for one in facts}),
        "place": sorted({place_name(place_of(one)) for one in facts}),
        "stage": sorted({one.stage for one in facts if one.stage}),
    }
