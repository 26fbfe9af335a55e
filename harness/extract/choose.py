"""Which text of a reply is the candidate: the last Python block that defines ModelNew, and never a guess."""

from __future__ import annotations

from eval.records import Failed, Tracks
from harness.extract.markdown import Block, Reading, read
from harness.extract.python import CODE_LINE, CODE_START, MODEL, defines_model, parsed
from harness.extract.refusals import unreadable, why_not
from harness.extract.strings import with_inner_fences
from harness.records import Candidate


def extract(text: str, *, is_code: bool = False) -> Candidate | Failed:
    """Return the candidate of a reply, or the verdict that says what was wrong with it.

    With `is_code` the text is the candidate itself. Never raises for what the text holds.
    """
    refused = unreadable(text)
    if refused is not None:
        return _failed(refused)
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if is_code:
        return _candidate(text, 1)
    reading = read(text)
    return _bare_code(reading) or _from_blocks(with_inner_fences(text, reading.blocks), reading)


def _failed(detail: str) -> Failed:
    return Failed(phase="extract", detail=detail, tracks=Tracks(open=False, stage=False), defence="extract")


def _candidate(code: str, first_line: int) -> Candidate | Failed:
    if "\ufffd" in code:
        return _failed("not text: the code holds bytes that are not UTF-8")
    return Candidate(code=code, first_line=first_line)


def _bare_code(reading: Reading) -> Candidate | Failed | None:
    """Return the reply itself where all of it is code; fences in its docstrings then mean nothing."""
    if not (CODE_START.match(reading.rest) and MODEL.search(reading.rest)):
        return None
    tree = parsed(reading.rest)
    fenced = any(block.fence for block in reading.blocks)
    if not (defines_model(tree) if tree is not None else not fenced):
        return None
    lines = reading.rest.split("\n")
    skipped = next(number for number, line in enumerate(lines) if line.strip())
    return _candidate("\n".join(lines[skipped:]), skipped + 1)


def _from_blocks(blocks: list[Block], reading: Reading) -> Candidate | Failed:
    fences = [block for block in blocks if block.fence]
    usable = [block for block in fences or blocks if block.is_python]
    chosen = _last_with_model([block for block in usable if block.closed])
    cut = next((block for block in usable if not block.closed and block.content.strip()), None)
    if cut is not None and (chosen is None or cut.info or CODE_LINE.search(cut.content)):
        return _failed(f"truncated: the code block that begins on line {cut.start + 1} is not closed")
    if chosen is not None:
        return _candidate(chosen.content, chosen.first_line)
    return _failed(why_not(fences, usable, reading))


def _last_with_model(blocks: list[Block]) -> Block | None:
    found = [block for block in blocks if MODEL.search(block.content)]
    if len(found) > 1:
        trees = ((block, parsed(block.content)) for block in reversed(found))
        return next((block for block, tree in trees if tree is None or defines_model(tree)), found[-1])
    return found[0] if found else None
