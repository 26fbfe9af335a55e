"""Control groups: bound the memory and the tasks of a runner together, and end them all at once.

The trusted side makes one before a runner goes on. Both versions of the kernel's interface are
used, where this user may write them.
"""

import contextlib
import itertools
import os
import signal
import time
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_PREFIX = "kernel-harness"
_CONTROLLERS = ("memory", "pids")
_counter = itertools.count()
_PATIENCE_S, _PAUSE_S = 2.0, 0.005


class Cgroup:
    """A group of processes with limits; a folder a hierarchy. Close it when the runner is gone."""

    def __init__(self, folders: tuple[Path, ...]) -> None:
        """Take folders that exist already; use `create`."""
        self._folders = folders

    @classmethod
    def create(cls, memory_bytes: int, tasks: int) -> "Cgroup | None":
        """Make a group beside or under this process's own; None where this user may not.

        `tasks` bounds processes and threads.
        """
        group = cls(())
        try:
            for parent in _parents():
                _sweep(parent)
                folder = parent / f"{_PREFIX}-{os.getpid()}-{next(_counter)}"
                folder.mkdir()
                group = cls((*group._folders, folder))
            group._limit(memory_bytes, tasks)
        except OSError:
            group.close()
            return None
        return group

    def _limit(self, memory_bytes: int, tasks: int) -> None:
        self._write(("memory.max", "memory.limit_in_bytes"), memory_bytes)
        self._write(("pids.max",), tasks)
        with contextlib.suppress(OSError):
            self._write(("memory.swap.max",), 0)
        with contextlib.suppress(OSError):
            self._write(("memory.memsw.limit_in_bytes",), memory_bytes)
        with contextlib.suppress(OSError):
            self._write(("memory.oom.group",), 1)

    def _file(self, *names: str) -> Path:
        for folder, name in itertools.product(self._folders, names):
            if (folder / name).exists():
                return folder / name
        raise FileNotFoundError(names[0])

    def _write(self, names: tuple[str, ...], value: int) -> None:
        self._file(*names).write_text(str(value))

    def add(self, pid: int) -> None:
        """Move a process in; what it starts from then on is in, too. Raises `OSError`."""
        for folder in self._folders:
            (folder / "cgroup.procs").write_text(str(pid))

    def processes(self) -> tuple[int, ...]:
        """Return the members, as this process numbers them."""
        return tuple(int(line) for line in (self._folders[0] / "cgroup.procs").read_text().split())

    def memory_bytes(self) -> int:
        """Return the memory that the group holds now, cached files included."""
        return int(self._file("memory.current", "memory.usage_in_bytes").read_text())

    def ran_out_of_memory(self) -> bool:
        """Tell whether the kernel killed a member for the group's memory limit."""
        text = self._file("memory.events", "memory.oom_control").read_text()
        counts = dict(line.split() for line in text.splitlines())
        return int(counts.get("oom_kill", 0)) > 0

    def kill(self) -> None:
        """End every member at once, or stop them from forking and end them one by one."""
        try:
            self._write(("cgroup.kill",), 1)
        except OSError:
            self._kill_each()

    def _kill_each(self) -> None:
        with contextlib.suppress(OSError):
            self._write(("pids.max",), 0)
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)

    def close(self) -> None:
        """End the members and remove the group; one that will not go is left to the next sweep."""
        deadline = time.monotonic() + _PATIENCE_S
        while self._folders and not self._remove() and time.monotonic() < deadline:
            self.kill()
            time.sleep(_PAUSE_S)

    def _remove(self) -> bool:
        for folder in self._folders:
            with contextlib.suppress(OSError):
                folder.rmdir()
        self._folders = tuple(folder for folder in self._folders if folder.exists())
        return not self._folders


def _parents() -> tuple[Path, ...]:
    """Return the folders in which to make a group; raises `OSError` where none will do."""
    own = dict(_own_groups(Path("/proc/self/cgroup").read_text()))
    old = {name: _ROOT / name / own[name].lstrip("/") for name in _CONTROLLERS if name in own}
    if len(old) == len(_CONTROLLERS):
        return tuple(old.values())
    if "" not in own:
        raise FileNotFoundError("no hierarchy has both controllers")
    return (_unified_parent(_ROOT, own[""]),)


def _own_groups(text: str) -> list[tuple[str, str]]:
    """Return the group of this process by controller; the unified hierarchy's is the empty name."""
    lines = (line.split(":", 2) for line in text.splitlines())
    return [(name, path) for _, names, path in lines for name in names.split(",")]


def _unified_parent(root: Path, own: str) -> Path:
    """Return the nearest group around this one that hands its controllers to its children.

    A group with a memory limit is never left: whoever set it meant everything that runs in it.
    """
    folder = root / own.lstrip("/")
    while True:
        handed = (folder / "cgroup.subtree_control").read_text().split()
        if set(_CONTROLLERS) <= set(handed):
            return folder
        limit = folder / "memory.max"
        if folder == root or (limit.exists() and limit.read_text().strip() != "max"):
            raise PermissionError("no group around this one can be divided")
        folder = folder.parent


def _sweep(parent: Path) -> None:
    """Remove what a judge that was killed left behind."""
    for folder in parent.glob(f"{_PREFIX}-*-*"):
        if not Path("/proc", folder.name.split("-")[2]).exists():
            with contextlib.suppress(OSError):
                folder.rmdir()
