"""Namespaces: no network, no other process in sight, an empty /dev/shm, hidden paths covered."""

import os
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from eval.runner import linux

NEWNS, NEWCGROUP, NEWUTS, NEWIPC = 0x00020000, 0x02000000, 0x04000000, 0x08000000
NEWUSER, NEWPID, NEWNET = 0x10000000, 0x20000000, 0x40000000
ALL = NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET
_RDONLY, _NOSUID, _NODEV, _NOEXEC, _BIND, _REC, _PRIVATE = 1, 2, 4, 8, 4096, 16384, 1 << 18
_PLAIN = _NOSUID | _NODEV | _NOEXEC
_MOUNT_SETATTR, _AT_FDCWD, _AT_RECURSIVE, _ATTRIBUTE_RDONLY = 442, -100, 0x8000, 1
_ATTRIBUTES = struct.Struct("=QQQQ")
_TOLD = struct.Struct("=i?")


class Fork(NamedTuple):
    """What `fork_contained` returns, once in each process."""

    pid: int
    """As in `os.fork`: 0 in the child."""
    pid_namespace: bool
    """The child is the first process of a PID namespace, and whatever it leaves behind dies with it."""


def unshare(flags: int) -> None:
    """Leave the shared namespaces; from an ordinary user, through a user namespace of its own.

    Raises `OSError` where neither is allowed.
    """
    try:
        linux.call("unshare", flags)
    except PermissionError:
        if user_mapping() != "shared":
            raise
        uid, gid = os.getuid(), os.getgid()
        linux.call("unshare", NEWUSER)
        _map_to_self(uid, gid)
        linux.call("unshare", flags)


def _map_to_self(uid: int, gid: int) -> None:
    """Keep the user's ids; a root without powers may not, and goes on as a user that nobody named."""
    try:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
        Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
    except PermissionError:
        return


def user_mapping() -> str:
    """Return ``shared`` outside of a user namespace of `unshare`, else ``own`` or ``nobody``."""
    mapping = Path("/proc/self/uid_map").read_text().split()
    uid = str(os.getuid())
    if not mapping:
        return "nobody"
    return "own" if mapping == [uid, uid, "1"] else "shared"


def fork_contained() -> Fork:
    """Fork; the child is PID 1 of a PID namespace of its own where the machine allows it.

    A keeper makes the namespace, forks into it and is gone before the child goes on, so the caller
    is the child's parent and stays where it was. Call it from a single-threaded process. Raises
    `OSError` where no process can be started.
    """
    linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
    told, tell = os.pipe()
    gate, go = os.pipe()
    keeper = os.fork()
    if keeper == 0:
        os.close(told)
        os.close(go)
        return _keep(tell, gate)
    os.close(tell)
    os.close(gate)
    message = os.read(told, _TOLD.size)
    os.close(told)
    os.waitpid(keeper, 0)
    if len(message) == _TOLD.size:
        os.write(go, b"1")
    os.close(go)
    if len(message) != _TOLD.size:
        raise OSError("the keeper could not fork")
    return Fork(*_TOLD.unpack(message))


def _keep(tell: int, gate: int) -> Fork:
    """Run the keeper, which never returns, and the child, which does."""
    try:
        unshare(NEWPID)
        separate = True
    except OSError:
        separate = False
    try:
        child = os.fork()
    except OSError:
        os._exit(1)
    if child:
        os.write(tell, _TOLD.pack(child, separate))
        os._exit(0)
    os.close(tell)
    if os.read(gate, 1) != b"1":
        os._exit(1)
    os.close(gate)
    return Fork(0, separate)


def own_mounts() -> None:
    """Keep the mounts that follow from showing outside; call it in a new mount namespace."""
    linux.call("mount", None, b"/", None, _REC | _PRIVATE, None)


def bind_to_itself(folder: Path) -> None:
    """Make a folder a mount of its own, so that it can differ from what is around it."""
    linux.call("mount", os.fsencode(folder), os.fsencode(folder), None, _BIND, None)


def make_read_only(keep: Iterable[Path]) -> None:
    """Close every mount to writing, changes of owner, mode and times too, but for the mounts kept.

    Device nodes still work. Raises `OSError` on kernels before 5.12.
    """
    writable = [folder for folder in keep if not os.statvfs(folder).f_flag & os.ST_RDONLY]
    _set_mount(b"/", _ATTRIBUTES.pack(_ATTRIBUTE_RDONLY, 0, 0, 0), _AT_RECURSIVE)
    for folder in writable:
        _set_mount(os.fsencode(folder), _ATTRIBUTES.pack(0, _ATTRIBUTE_RDONLY, 0, 0), 0)


def _set_mount(path: bytes, attributes: bytes, flags: int) -> None:
    linux.syscall(_MOUNT_SETATTR, _AT_FDCWD, path, flags, attributes, len(attributes))


def mount_proc() -> None:
    """Mount a /proc that shows the processes of this PID namespace alone."""
    linux.call("mount", b"proc", b"/proc", b"proc", _PLAIN, None)


def mount_memory(folder: Path, most_bytes: int) -> None:
    """Cover a folder with an empty one in memory, of bounded size; libraries may be loaded from it."""
    options = f"size={most_bytes},mode=1777".encode()
    linux.call("mount", b"tmpfs", os.fsencode(folder), b"tmpfs", _NOSUID | _NODEV, options)


def mask(paths: Iterable[Path]) -> None:
    """Cover each path that exists: a folder with an empty one, a file with /dev/null."""
    for path in paths:
        if path.is_dir():
            linux.call("mount", b"tmpfs", os.fsencode(path), b"tmpfs", _PLAIN | _RDONLY, b"size=4k,mode=000")
        elif path.exists():
            linux.call("mount", b"/dev/null", os.fsencode(path), None, _BIND, None)
