"""Recorded replies as a model: which file answers which stage and sample.

A folder's replies answer in natural order, sample 0 first. A ``manifest.toml`` in it may instead
say which file answers which stage and sample, ``"*"`` standing for every other stage:

    final_micro_tuning = ["a_1.md", "a_2.md"]
    [memory_layout]
    0 = "b_1.md"
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from harness.errors import UsageError
from harness.files import parse_toml, read_text
from harness.reply_files import REPLIES, reply_files

ANY_STAGE = "*"


class ReplayFolder:
    """Recorded replies by stage and sample; read as they are asked for."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        if not self.path.is_dir():
            raise UsageError(f"replay:{path}: there is no such folder")
        manifest = self.path / "manifest.toml"
        if manifest.is_file():
            self._files = dict(self._stages(manifest))
        else:
            self._files = {ANY_STAGE: dict(enumerate(reply_files(self.path, REPLIES)))}
        if not any(self._files.values()):
            raise UsageError(f"replay:{path}: the folder holds no replies ({', '.join(REPLIES)})")

    def samples(self, stage: str | None) -> Mapping[int, Path]:
        """Return the file of each sample of a stage."""
        return self._files.get(stage or ANY_STAGE, self._files.get(ANY_STAGE, {}))

    def _stages(self, manifest: Path) -> Iterator[tuple[str, dict[int, Path]]]:
        for stage, entry in parse_toml(read_text(manifest), manifest).items():
            named = dict(enumerate(entry)) if isinstance(entry, list) else entry
            if not isinstance(named, dict):
                raise UsageError(f"{manifest}: {stage}: give a list of files, or a table of sample = file")
            yield (
                stage,
                {
                    self._sample(manifest, stage, key): self._file(manifest, stage, named[key])
                    for key in named
                },
            )

    def _sample(self, manifest: Path, stage: str, key: int | str) -> int:
        if not str(key).isdecimal():
            raise UsageError(f"{manifest}: {stage}: {key!r} is no sample; samples count from 0")
        return int(key)

    def _file(self, manifest: Path, stage: str, name: object) -> Path:
        path = self.path / str(name)
        if not isinstance(name, str) or not path.is_file():
            raise UsageError(f"{manifest}: {stage}: there is no file {name!r} beside it")
        return path
