"""Files that a person wrote: every complaint names the file, the place in it and what is allowed."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError, model_validator

from eval.records import Record
from harness.errors import EnvironmentFailure, UsageError

T = TypeVar("T")
A_SCREENFUL = 30
_QUOTE = "'"


class DataRecord(Record):
    """A record that is read from a data file: an unknown key is answered with the keys there are."""

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any) -> Any:
        if isinstance(data, Mapping):
            for key in data:
                if key not in cls.model_fields:
                    raise ValueError(f"unknown key {key!r}{nearest(str(key), cls.model_fields)}")
        return data


def read_text(path: Path) -> str:
    """Return the text of a UTF-8 file, its line ends as they are.

    Raises `UsageError`: there is no such file, it cannot be read, or it is not UTF-8.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8") from error
    except OSError as error:
        raise UsageError(f"{path}: cannot read it: {error.strerror}") from error
    if "\0" in text:
        raise UsageError(f"{path}: holds a NUL character: not text")
    return text


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8, byte for byte, making the folders on the way.

    Raises `EnvironmentFailure`: the disk does not take it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    except OSError as error:
        raise EnvironmentFailure(f"{path}: cannot write there: {error.strerror}") from error


def normalise(text: str) -> str:
    """Return the text without what means nothing: trailing blanks, outer empty lines, kinds of line end."""
    return "\n".join(line.rstrip() for line in text.splitlines()).strip("\n") + "\n"


@lru_cache(maxsize=16)
def text_hash(text: str) -> str:
    """Return the sha256 of the normalised text, hexadecimal."""
    return hashlib.sha256(normalise(text).encode()).hexdigest()


def parse_toml(text: str, path: Path) -> dict[str, Any]:
    """Return the TOML in `text`; `path` is for the message.

    Raises `UsageError`: a syntax error, with its line.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: not valid TOML: {error}") from error


def validated(schema: type[T], data: Any, path: Path, /, **derived: Any) -> T:
    """Return `data` as a record; `derived` are fields that the harness works out itself.

    Raises `UsageError`: every key that is wrong, each with what is allowed there.
    """
    for key in derived:
        if key in data:
            raise UsageError(f"{path}: {key}: the harness works it out; leave it away")
    whole = {**data, **derived}
    try:
        return TypeAdapter(schema).validate_python(whole)
    except ValidationError as error:
        faults = [_place(fault["loc"], whole, fault["type"]) + _reason(fault) for fault in error.errors()]
        raise UsageError("\n  ".join([f"{path}: {faults[0]}", *faults[1:]])) from error


def close_words(word: str, known: Iterable[str]) -> list[str]:
    """Return up to four known words: those that start with `word`, then those that look most like it."""
    names = list(known)
    starts = sorted(name for name in names if word and name.startswith(word))
    return list(dict.fromkeys([*starts, *get_close_matches(word, names, n=4, cutoff=0.5)]))[:4]


def nearest(word: str, known: Iterable[str]) -> str:
    """Return what an error says after an unknown word: the nearest known ones, or all where few are."""
    names = list(dict.fromkeys(known))
    close = close_words(word, names)
    guess = f"; the nearest: {', '.join(close)}" if close else ""
    return guess + (f"; there are: {', '.join(names)}" if 0 < len(names) <= A_SCREENFUL else "")


def _place(steps: tuple[int | str, ...], data: Any, kind: str) -> str:
    """Return the key's dotted path without the tags of unions, which are not in the file."""
    kept: list[str] = []
    for position, step in enumerate(steps):
        inside = isinstance(data, Mapping) and step in data
        missing = kind == "missing" and position == len(steps) - 1
        if isinstance(step, int) or inside or missing:
            kept.append(str(step))
        listed = isinstance(step, int) and isinstance(data, list | tuple) and step < len(data)
        if inside or listed:
            data = data[step]
    return f"{'.'.join(kept)}: " if kept else ""


def _key_of(fault: Any) -> str:
    """Return the key that says which kind of record it is."""
    return str(fault["ctx"]["discriminator"]).strip(_QUOTE)


def _reason(fault: Any) -> str:
    if fault["type"] == "union_tag_not_found":
        return f"{_key_of(fault)}: missing"
    if fault["type"] == "union_tag_invalid":
        known = [word.strip(f" {_QUOTE}") for word in fault["ctx"]["expected_tags"].split(",")]
        return f"{_key_of(fault)}: there is no {fault['ctx']['tag']!r}{nearest(fault['ctx']['tag'], known)}"
    message: str = fault["msg"]
    return message.removeprefix("Value error, ").removeprefix("Assertion failed, ")
