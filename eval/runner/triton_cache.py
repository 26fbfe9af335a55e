"""A Triton cache for old kernels: Landlock before Linux 5.19 refuses renames from folder to folder."""

import os
import uuid
from pathlib import Path

from triton.runtime.cache import FileCacheManager

_NAME = f"{__name__}:SameFolderCache"


class SameFolderCache(FileCacheManager):  # type: ignore[misc]
    """Triton's own cache, but a file is written beside its place and not in a folder of its own."""

    def put(self, data: bytes | str, filename: str, binary: bool = True) -> str:  # noqa: ARG002
        """Write a file so that nobody ever sees half of it, and return its path."""
        path = Path(self.cache_dir, filename)
        unfinished = path.with_name(f".{uuid.uuid4().hex}")
        unfinished.write_bytes(data if isinstance(data, bytes) else str(data).encode())
        unfinished.replace(path)
        return str(path)


def install() -> None:
    """Make Triton use this cache in this process, and in those that inherit its environment."""
    os.environ["TRITON_CACHE_MANAGER"] = _NAME
