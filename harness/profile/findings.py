"""What ``compute-sanitizer`` prints, as findings: what happened, in which function, on which line."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

from eval.records import Record
from harness.errors import EnvironmentFailure
from harness.profile.report import clean_name

_PREFIX = re.compile(r"^=========\s*(.*?)\s*$")
_SUMMARY = re.compile(r"(?:ERROR|RACECHECK) SUMMARY: (\d+) \w+(?: displayed \((\d+) errors?)?")
_RACE = re.compile(r"Error: (Race reported between \w+ access at)\s*(.*)", re.IGNORECASE)
_HARMLESS = re.compile(r"(Warning|WARN|Info|WARNING)\b:")
_AFTER_NAME = re.compile(r"(?P<name>.+?)\+0x[0-9a-f]+(?: in (?P<file>.+?):(?P<line>\d+))?(?: \[.*)?$")
_BEFORE_NAME = re.compile(r"0x[0-9a-f]+ in (?:(?P<file>.+?):(?P<line>\d+):)?(?P<name>.+?)(?: \[.*)?$")
"""As versions before CUDA 12.4 write a place."""


class Finding(Record):
    """One report of the tool."""

    what: str
    """In the tool's words, for example ``Invalid __global__ read of size 4 bytes``."""
    functions: tuple[str, ...]
    """Where it happened, the innermost first."""
    line: int | None = None
    """1-based line of the file that was asked about; None where the tool does not know it."""
    more: str | None = None
    """The tool's next words on it, such as by how much an address is out of bounds."""


def read_findings(text: str, file: str) -> tuple[Finding, ...]:
    """Return what a run of memcheck or racecheck found; lines count where they are lines of `file`.

    Warnings of racecheck are left out. Raises `EnvironmentFailure`: the text is not a whole report, or
    says that it found more than can be read from it.
    """
    lines = [found[1] for found in map(_PREFIX.match, text.splitlines()) if found]
    totals = [found for found in map(_SUMMARY.match, lines) if found]
    if not totals:
        raise EnvironmentFailure("compute-sanitizer's report has no end; it was cut off")
    findings = tuple(_findings(lines, file))
    counted = sum(int(found[2] if found[2] is not None else found[1]) for found in totals)
    if counted and not findings:
        raise EnvironmentFailure(f"compute-sanitizer counts {counted} errors, of which none can be read")
    return findings


def of_kernels(findings: Sequence[Finding], kernels: Collection[str]) -> tuple[Finding, ...]:
    """Return the findings within these functions; what a library's kernels do is not theirs."""
    return tuple(one for one in findings if set(one.functions) & set(kernels))


def _findings(lines: Sequence[str], file: str) -> Iterator[Finding]:
    for number, line in enumerate(lines):
        race = _RACE.match(line)
        after = list(_until_blank(lines[number + 1 :]))
        if race is not None:
            yield _finding(race[1].removesuffix(" at"), race[2] or " ".join(after[:1]), after, file, None)
        elif line and after and after[0].startswith("at ") and not _HARMLESS.match(line):
            more = next((one for one in after if one.startswith(("Address ", "Access to "))), None)
            yield _finding(line, after[0].removeprefix("at "), after, file, more)


def _until_blank(lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        if not line or _SUMMARY.match(line):
            return
        yield line


def _finding(what: str, place: str, after: Sequence[str], file: str, more: str | None) -> Finding:
    frames = [
        line.removeprefix("Device Frame:").strip() for line in after if line.startswith("Device Frame:")
    ]
    places = [_place(text) for text in (place, *frames)]
    own = [int(line) for _, where, line in places if line and where.rpartition("/")[2] == file]
    names = tuple(dict.fromkeys(name for name, _, _ in places if name))
    return Finding(what=what, functions=names, line=own[0] if own else None, more=more)


def _place(text: str) -> tuple[str, str, str | None]:
    found = _BEFORE_NAME.match(text) or _AFTER_NAME.match(text)
    if found is None:
        return clean_name(text), "", None
    return clean_name(found["name"]), found["file"] or "", found["line"]
