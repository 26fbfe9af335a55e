"""Brings replies that were bought elsewhere into the ledger, each to its place and once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Literal

from eval.records import Record
from harness.inputs.found import Found
from harness.problems import load_problem, problem_names
from harness.records import Reply
from harness.store import Answer, Store

_GONE = {"failed", "unknown"}


class Labels(Record):
    """What the files do not say themselves."""

    problem: str | None = None
    stage: str | None = None
    gpu: str | None = None
    model: str | None = None
    renames: dict[str, str] = {}
    """Our name of a problem by the name in the files."""


class Imported(Record):
    """What became of one reply: `kept` was there already, `failed` is a call that gave none."""

    state: Literal["new", "kept", "failed", "skipped"]
    reply: Reply
    reply_id: int | None = None
    note: str | None = None


def import_replies(founds: Iterable[Found], labels: Labels, store: Store, run: str) -> Iterator[Imported]:
    """Yield what became of each reply.

    A line whose id is that of a call in the ledger answers that call; another is known again by
    model, problem, stage, GPU, sample (or id) and text. A problem that is not here is skipped.
    """
    known: dict[str, str | None] = {}
    seen: Counter[tuple[object, ...]] = Counter()
    for found in founds:
        row = store.submitted(found.custom_id) if found.custom_id else None
        if row is not None:
            yield _answer(found, row, store, run)
            continue
        reply = _labelled(found.reply, labels)
        if found.error is not None:
            yield Imported(state="failed", reply=reply, note=f"{reply.source}: {found.error}")
            continue
        if reply.problem not in known and reply.problem is not None:
            known[reply.problem] = _lacks(reply.problem)
        lacks = known[reply.problem] if reply.problem is not None else "it names no problem"
        if lacks is not None:
            yield Imported(state="skipped", reply=reply, note=f"{reply.source}: {lacks}")
            continue
        number, new = store.import_reply(run, reply, _identity(found, reply, seen), _received(found))
        yield Imported(state="new" if new else "kept", reply=reply, reply_id=number)


def _answer(found: Found, row: int, store: Store, run: str) -> Imported:
    stored = store.reply(row)
    if found.error is not None:
        if stored.state == "submitted":
            store.keep_failure(row, found.error, kind="server")
        return Imported(
            state="failed", reply=stored.reply, reply_id=row, note=f"{found.reply.source}: {found.error}"
        )
    new = stored.state == "submitted" or stored.state in _GONE
    if new:
        store.keep_answer(row, _received(found))
        new = store.reply(row).state == "received"
    store.meet(run, [row])
    return Imported(state="new" if new else "kept", reply=store.reply(row).reply, reply_id=row)


def _labelled(reply: Reply, labels: Labels) -> Reply:
    problem = labels.renames.get(reply.problem, reply.problem) if reply.problem else labels.problem
    given = {"stage": labels.stage, "gpu": labels.gpu, "model": labels.model}
    update = {name: value for name, value in given.items() if value is not None}
    return reply.model_copy(update=update | {"problem": problem})


def _lacks(problem: str) -> str | None:
    """Return why a problem cannot be judged here, None where it can."""
    if problem in problem_names():
        return None
    if "/" in problem:
        load_problem(problem)
        return None
    return f"there is no problem {problem!r}; map it with --map {problem}=OURS"


def _identity(found: Found, reply: Reply, seen: Counter[tuple[object, ...]]) -> str:
    if found.numbered:
        return f"sample {reply.sample}"
    what = (reply.model, reply.problem, reply.stage, reply.gpu, reply.text, found.custom_id)
    seen[what] += 1
    return f"{found.custom_id or 'text'} {seen[what]}"


def _received(found: Found) -> Answer:
    reply = found.reply
    return Answer(
        text=reply.text,
        finish_reason=reply.finish_reason,
        usage=reply.usage,
        model_id=reply.model_id,
        extra=found.extra,
    )
