"""The files of a corpus: candidates whose first lines say what is expected of the judge."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, get_args

from eval.records import Record
from harness.data import cheats_dir, honest_dir
from harness.errors import UsageError
from harness.files import read_text

Expectation = Literal["accept", "reject-static", "reject-runtime", "slow-honest", "output-rule"]
_HEADER = re.compile(r"#\s*(expect|needs|problem):\s*(\S+)")
_HEADER_LINES = 12


class CorpusFile(Record):
    """One candidate and what its first lines say of it."""

    name: str
    """As the report calls it."""
    code: str
    expect: Expectation
    needs_gpu: bool = False
    """Without a GPU it takes its honest path."""
    problem: str | None = None
    """Where it is not the problem that the command names."""

    @property
    def is_cheat(self) -> bool:
        """Tell whether the judge has to refuse it."""
        return self.expect.startswith("reject")


def shipped() -> list[CorpusFile]:
    """Return the corpus that comes with the harness: cheats, then honest candidates."""
    folders = (cheats_dir(), honest_dir())
    return [_read(path, f"{path.parent.name}/{path.name}") for path in _files(folders)]


def read_corpus(paths: Iterable[Path]) -> list[CorpusFile]:
    """Read files, and every ``.py`` file of folders.

    Raises `UsageError`: there is no such path, or a file that does not say what is expected.
    """
    return [_read(path, str(path)) for path in _files(paths)]


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(path.glob("*.py"))
        elif path.is_file():
            yield path
        else:
            raise UsageError(f"{path}: there is no such file or folder")


def _read(path: Path, name: str) -> CorpusFile:
    code = read_text(path)
    said = dict(_HEADER.findall("\n".join(code.splitlines()[:_HEADER_LINES])))
    if said.get("expect") not in get_args(Expectation):
        raise UsageError(
            f"{path}: begin with a line `# expect: …`, one of {', '.join(get_args(Expectation))}"
        )
    return CorpusFile(
        name=name, code=code, expect=said["expect"], needs_gpu=said.get("needs") == "gpu",
        problem=said.get("problem"),
    )  # fmt: skip
