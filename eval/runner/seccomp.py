"""A seccomp filter: system calls that no kernel needs and an attack would.

Refused calls return an error instead of ending the process, so that libraries fall back.
"""

import ctypes
import errno
import os
import platform
import socket
from typing import NamedTuple

from eval.runner import linux
from eval.runner.bpf import Filter
from eval.runner.namespaces import ALL as NEW_NAMESPACES
from eval.runner.syscalls import MACHINES, number

REFUSED = (
    "ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "pidfd_getfd", "process_madvise",
    "mount", "umount2", "pivot_root", "chroot", "open_tree", "open_tree_attr", "move_mount", "fsopen",
    "fsconfig", "fsmount", "fspick", "mount_setattr", "setns", "unshare",
    "bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter", "io_uring_register",
    "add_key", "request_key", "keyctl", "init_module", "finit_module", "delete_module",
    "kexec_load", "kexec_file_load", "reboot", "swapon", "swapoff", "acct", "quotactl", "quotactl_fd",
    "syslog", "vhangup", "iopl", "ioperm", "modify_ldt", "sethostname", "setdomainname",
    "settimeofday", "clock_settime", "clock_adjtime", "adjtimex",
    "seccomp",
    "name_to_handle_at", "open_by_handle_at", "fanotify_init", "shmget", "msgget", "semget", "mq_open",
)  # fmt: skip
"""Refused whatever their arguments."""

CHANGES_OF_ATTRIBUTES = (
    "chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "lchown", "fchown", "fchownat",
    "setxattr", "lsetxattr", "fsetxattr", "setxattrat", "removexattr", "lremovexattr", "fremovexattr",
    "removexattrat", "utime", "utimes", "futimesat", "utimensat", "file_setattr",
)  # fmt: skip
"""Landlock does not see these: an owner could close the user's own files to the user."""

_SET_MODE_FILTER, _SPEC_ALLOW = 1, 1 << 2
_TYPE_INTO_TERMINAL = (0x5412, 0x541C)
_SIGNAL_ON_INPUT_IOCTL, _SIGNAL_ON_INPUT_FCNTL = (0x8901, 0x8902), (8, 15)
_TYPE_MASK = 0xF
_PR_SET_SECCOMP = 22


class Settings(NamedTuple):
    """What differs between runners."""

    unix_sockets: bool
    """CUDA makes Unix sockets; nothing else may, and nobody may connect one to an address."""
    memory_files: bool
    """Memory behind a bare descriptor, which no limit of a process counts."""
    alone: bool
    """No other process can be named: the runner has a PID namespace of its own."""
    signals_scoped: bool
    """Landlock keeps signals inside."""
    mounts_read_only: bool
    """Nothing but the scratch folder lies on a mount that can be written."""
    truncation_checked: bool
    """Landlock knows that cutting a file short is writing."""


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def program(settings: Settings, machine: str, pid: int) -> bytes:
    """Return the filter for the process `pid` on this machine, as `uname -m` names it."""
    build = Filter(machine)
    build.refuse(*REFUSED)
    build.refuse("clone3", error=errno.ENOSYS)
    build.refuse_bits("clone", 0, NEW_NAMESPACES)
    build.refuse_values("ioctl", 1, *_TYPE_INTO_TERMINAL, *_SIGNAL_ON_INPUT_IOCTL)
    build.refuse_values("fcntl", 1, *_SIGNAL_ON_INPUT_FCNTL)
    build.refuse_values("prctl", 0, linux.PR_SET_PDEATHSIG, _PR_SET_SECCOMP)
    _refuse_sockets(build, settings)
    if not settings.memory_files:
        build.refuse("memfd_create", "memfd_secret")
    if not settings.mounts_read_only:
        _keep_files(build, truncation_checked=settings.truncation_checked)
    if not settings.alone:
        _keep_in_group(build)
    if not settings.alone and not settings.signals_scoped:
        _keep_signals(build, pid)
    return build.finish()


def _refuse_sockets(build: Filter, settings: Settings) -> None:
    """Leave pairs of streams; a datagram could be sent to the path of any service's socket."""
    streams = (socket.SOCK_STREAM, socket.SOCK_SEQPACKET)
    if settings.unix_sockets:
        build.require_values("socket", 0, socket.AF_UNIX)
        build.require_values("socket", 1, *streams, mask=_TYPE_MASK)
    else:
        build.refuse("socket")
    build.require_values("socketpair", 1, *streams, mask=_TYPE_MASK)
    build.refuse("connect", error=errno.ENOENT)
    build.refuse_pointer("sendto", 4)


def _keep_files(build: Filter, *, truncation_checked: bool) -> None:
    build.refuse(*CHANGES_OF_ATTRIBUTES)
    if not truncation_checked:
        build.refuse("truncate")
        build.refuse("openat2", error=errno.ENOSYS)
        cut = [os.O_TRUNC | mode for mode in (os.O_RDONLY, os.O_ACCMODE)]
        build.refuse_masked("open", 1, os.O_TRUNC | os.O_ACCMODE, *cut)
        build.refuse_masked("openat", 2, os.O_TRUNC | os.O_ACCMODE, *cut)


def _keep_in_group(build: Filter) -> None:
    """Let no descendant leave the process group, and nobody set limits or priorities of others."""
    build.refuse("setsid", "setpgid", "setpriority", "ioprio_set")
    for name in ("prlimit64", "sched_setattr", "sched_setparam", "sched_setscheduler"):
        build.require_values(name, 0, 0)
    for name in ("sched_setaffinity", "migrate_pages", "move_pages"):
        build.require_values(name, 0, 0)


def _keep_signals(build: Filter, pid: int) -> None:
    """Allow signals to the runner itself and its group alone."""
    build.require_values("kill", 0, 0, pid)
    for name in ("tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"):
        build.require_values(name, 0, pid)
    build.refuse("tkill", "pidfd_send_signal")


def install(settings: Settings) -> None:
    """Filter this process and all that it starts, for ever; needs `no_new_privs`.

    Raises `OSError` where the kernel or the machine has no such filter.
    """
    machine = platform.machine()
    if machine not in MACHINES:
        raise OSError(errno.ENOSYS, "no filter for this machine", machine)
    load(program(settings, machine, os.getpid()))


def load(code: bytes) -> None:
    """Put a program in force; filters add up, and the strictest answer counts.

    Older kernels slow a filtered process down against Spectre unless told not to.
    """
    buffer = ctypes.create_string_buffer(code, len(code))
    header = _Program(len(code) // 8, ctypes.addressof(buffer))
    call = number("seccomp", platform.machine())
    assert call is not None
    linux.syscall(call, _SET_MODE_FILTER, _SPEC_ALLOW, ctypes.byref(header))
