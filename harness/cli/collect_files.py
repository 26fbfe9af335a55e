"""The part of `collect` that deals in files: replies bought elsewhere, and requests to submit there."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from harness.cli.command_line import command_line
from harness.errors import EnvironmentFailure, UsageError
from harness.inputs import Imported, Labels, import_replies, read_found
from harness.llm.orders import Order
from harness.store import Store


def write_batch(orders: Sequence[Order], target: Path, path: Path) -> int:
    """Write the requests that are missing, and note them as submitted."""
    from harness.llm.batch import batch_lines

    with Store(path) as store, store.run(command_line()) as run:
        count = _write_lines(target, batch_lines(orders, store, run))
    sys.stdout.write(f"{count} requests in {target}; keep their output with: collect --import OUTPUT.jsonl\n")
    return 0


def import_files(
    paths: Sequence[Path],
    named: Mapping[str, str | None],
    renames: Iterable[str],
    path: Path,
    *,
    as_json: bool,
) -> int:
    """Keep the replies of files; say of each whether it is new."""
    labels = Labels(**dict(named), renames=dict(map(_pair, renames)))
    counts = {"new": 0, "kept": 0, "failed": 0, "skipped": 0}
    founds = read_found(paths)
    with (
        Store(path) as store,
        store.run(command_line(), {"import": [str(source) for source in paths]}) as run,
    ):
        for imported in import_replies(founds, labels, store, run):
            counts[imported.state] += 1
            if imported.note:
                sys.stderr.write(f"note: {imported.note}\n")
            if as_json:
                sys.stdout.write(json.dumps(_line(imported)) + "\n")
    words = ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "no replies"
    summary = f"imported into {path}: {words}; run {run}\n"
    (sys.stderr if as_json else sys.stdout).write(summary)
    if not counts["new"] + counts["kept"] + counts["failed"]:
        raise UsageError("no reply was imported; name the problem, or map its name with --map OTHER=OURS")
    return 0


def _line(imported: Imported) -> dict[str, object]:
    reply = imported.reply
    return {
        "reply": imported.reply_id,
        "state": imported.state,
        "problem": reply.problem,
        "stage": reply.stage,
        "gpu": reply.gpu,
        "model": reply.model,
        "sample": reply.sample,
        "source": reply.source,
        "note": imported.note,
    }


def _pair(text: str) -> tuple[str, str]:
    other, mark, ours = text.partition("=")
    if not (mark and other and ours):
        raise UsageError(f"--map {text}: give OTHER=OURS, for example level_1_problem_92=cumsum_exclusive")
    return other, ours


def _write_lines(target: Path, lines: Iterator[str]) -> int:
    count = 0
    try:
        with target.open("w", encoding="utf-8") as file:
            for line in lines:
                file.write(f"{line}\n")
                count += 1
    except OSError as error:
        raise EnvironmentFailure(f"{target}: cannot write there: {error.strerror}") from error
    return count
