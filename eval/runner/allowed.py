"""Which paths a runner may read: the Python installation and the system, around what is hidden."""

import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

SYSTEM = (
    "/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin",
    "/etc/alternatives", "/etc/group", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d",
    "/etc/localtime", "/etc/nsswitch.conf", "/etc/nvidia", "/etc/os-release", "/etc/passwd", "/etc/timezone",
)  # fmt: skip
PROC = (
    "cpuinfo", "devices", "driver/nvidia", "filesystems", "loadavg", "meminfo", "modules", "stat", "uptime",
    "version", "sys/kernel", "sys/vm",
)  # fmt: skip
SYS = ("/sys/bus", "/sys/class", "/sys/devices", "/sys/fs/cgroup", "/sys/kernel/mm", "/sys/module")
DEVICES = ("/dev/full", "/dev/null", "/dev/random", "/dev/urandom", "/dev/zero")


def children(folder: Path) -> list[Path]:
    """Return the entries of a folder, without symbolic links; nothing where it cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            return sorted(Path(entry.path) for entry in entries if not entry.is_symlink())
    except OSError:
        return []


def expand(
    allow: Iterable[Path], deny: Iterable[Path], list_folder: Callable[[Path], list[Path]] = children
) -> tuple[Path, ...]:
    """Replace each allowed path by the largest parts of it that hold nothing denied.

    A denied path inside an allowed one is cut out, and so is an allowed path that is itself denied.
    An allowed path inside a denied one stays: it was named more exactly. Paths are compared as
    text, so resolve symbolic links first; a denied path need not exist yet.
    """
    denied = tuple(deny)
    parts = {part: None for root in allow for part in _parts(root, denied, list_folder)}
    return tuple(parts)


def _parts(root: Path, denied: tuple[Path, ...], list_folder: Callable[[Path], list[Path]]) -> Iterator[Path]:
    inside = tuple(path for path in denied if path.is_relative_to(root))
    if root in inside:
        return
    if not inside:
        yield root
        return
    for child in list_folder(root):
        yield from _parts(child, inside, list_folder)


def python_roots() -> tuple[Path, ...]:
    """Return the folders of this Python's standard library and installed packages.

    Entries of `sys.path` count where packages were installed into them, so neither the working
    folder nor a checkout does.
    """
    prefixes = {sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix}
    installed = [entry for entry in sys.path if entry and any(Path(entry).glob("*.dist-info"))]
    return tuple(Path(name) for name in (*sorted(prefixes), *installed))


def library_roots() -> tuple[Path, ...]:
    """Return the folders of shared libraries that the environment names."""
    named = os.environ.get("LD_LIBRARY_PATH", "").split(":")
    return tuple(Path(name) for name in (*named, os.environ.get("CUDA_HOME", "")) if name.startswith("/"))


def compiler_roots() -> tuple[Path, ...]:
    """Return the folders of C compilers that are installed outside of the system's: Triton needs one."""
    found = (shutil.which(name) for name in (os.environ.get("CC") or "cc", "gcc", "clang"))
    programs = {Path(os.path.realpath(path)) for path in found if path}
    return tuple(sorted(path.parent.parent for path in programs if not path.is_relative_to("/usr")))


def gpu_nodes() -> tuple[Path, ...]:
    """Return NVIDIA's device nodes, and the one that stands for them in Windows' Linux."""
    return (*sorted(Path("/dev").glob("nvidia*")), *Path("/dev").glob("dxg"))


def resolved(paths: Iterable[str | Path]) -> tuple[Path, ...]:
    """Follow symbolic links, as the kernel does before it checks a rule."""
    return tuple(dict.fromkeys(Path(os.path.realpath(path)) for path in paths))
