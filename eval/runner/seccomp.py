"""A seccomp filter: system calls that no kernel needs and an attack would.

It holds on x86-64 and 64-bit Arm. Refused calls return an error, so that libraries fall back.
"""

import ctypes
import errno
import platform
import socket
import struct
from typing import NamedTuple

from eval.runner import linux
from eval.runner.namespaces import ALL as NEW_NAMESPACES

_X86_64, _AARCH64 = "x86_64", "aarch64"
_AUDIT_ARCH = {_X86_64: 0xC000003E, _AARCH64: 0xC00000B7}
_X32_BIT = 0x40000000
_SECCOMP = {_X86_64: 317, _AARCH64: 277}
_SET_MODE_FILTER, _SPEC_ALLOW = 1, 1 << 2

REFUSED: dict[str, tuple[int | None, int | None]] = {
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "pidfd_getfd": (438, 438), "process_madvise": (440, 440),
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
    "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430), "fsconfig": (431, 431),
    "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442), "open_tree_attr": (467, 467),
    "setns": (308, 268), "unshare": (272, 97),
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "reboot": (169, 142),
    "swapon": (167, 224), "swapoff": (168, 225), "acct": (163, 89), "quotactl": (179, 60),
    "quotactl_fd": (443, 443), "syslog": (103, 116), "vhangup": (153, 58),
    "iopl": (172, None), "ioperm": (173, None), "modify_ldt": (154, None),
    "settimeofday": (164, 170), "clock_settime": (227, 112), "clock_adjtime": (305, 266),
    "adjtimex": (159, 171), "sethostname": (170, 161), "setdomainname": (171, 162),
    "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265), "fanotify_init": (300, 262),
    "shmget": (29, 194), "msgget": (68, 186), "semget": (64, 190), "mq_open": (240, 180),
}  # fmt: skip
"""Refused with EPERM, with the number on x86-64 and on 64-bit Arm; None where there is no such call."""

SPECIAL: dict[str, tuple[int | None, int | None]] = {
    "clone": (56, 220), "clone3": (435, 435), "connect": (42, 203), "ioctl": (16, 29),
    "memfd_create": (319, 279), "memfd_secret": (447, 447), "sendto": (44, 206), "setpgid": (109, 154),
    "setsid": (112, 157), "socket": (41, 198), "socketpair": (53, 199),
}  # fmt: skip
"""Refused in some settings or with some arguments."""

_LD, _JEQ, _JGE, _JSET, _AND, _RET = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_REFUSE = _ERRNO | errno.EPERM
_NR, _ARCH, _ARGS = 0, 4, 16
_TERMINAL_INPUT = (0x5412, 0x541C)
"""TIOCSTI and TIOCLINUX type into the terminal of whoever started the judge."""


class Settings(NamedTuple):
    """What differs between runners."""

    unix_sockets: bool
    """CUDA makes Unix sockets; nothing else may, and nobody may connect one to an address."""
    memory_files: bool
    """Memory behind a bare descriptor, which no limit of a process counts."""
    new_sessions: bool
    """False keeps every descendant in the process group, where no PID namespace holds it."""


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


class Filter:
    """A BPF program that is built call by call for one architecture."""

    def __init__(self, machine: str) -> None:
        """Start with checks of the calling convention: 32-bit calls would evade the numbers."""
        self.column = (_X86_64, _AARCH64).index(machine)
        self.code = bytearray()
        self._add(_LD, _ARCH)
        self._add(_JEQ, _AUDIT_ARCH[machine], 1, 0)
        self._add(_RET, _KILL)
        self._add(_LD, _NR)
        if machine == _X86_64:
            self._add(_JGE, _X32_BIT, 0, 1)
            self._add(_RET, _REFUSE)

    def _add(self, code: int, value: int, if_true: int = 0, if_false: int = 0) -> None:
        self.code += struct.pack("=HBBI", code, if_true, if_false, value)

    def _number(self, name: str) -> int | None:
        return (REFUSED.get(name) or SPECIAL[name])[self.column]

    def refuse(self, name: str, error: int = errno.EPERM) -> None:
        """Refuse a call whatever its arguments."""
        number = self._number(name)
        if number is not None:
            self._add(_JEQ, number, 0, 1)
            self._add(_RET, _ERRNO | error)

    def refuse_bits(self, name: str, argument: int, bits: int, *, high: bool = False) -> None:
        """Refuse a call where any of these bits is set in half of an argument."""
        self._on_argument(name, argument, ((_JSET, bits, 0, 1), (_RET, _REFUSE, 0, 0)), high=high)

    def refuse_values(self, name: str, argument: int, values: tuple[int, ...]) -> None:
        """Refuse a call with one of these values."""
        for value in values:
            self._on_argument(name, argument, ((_JEQ, value, 0, 1), (_RET, _REFUSE, 0, 0)))

    def require_values(
        self, name: str, argument: int, values: tuple[int, ...], mask: int = 0xFFFFFFFF
    ) -> None:
        """Refuse a call unless the argument, under the mask, is one of these values."""
        jumps = [(_JEQ, value, len(values) - index, 0) for index, value in enumerate(values)]
        self._on_argument(name, argument, ((_AND, mask, 0, 0), *jumps, (_RET, _REFUSE, 0, 0)))

    def _on_argument(
        self, name: str, argument: int, steps: tuple[tuple[int, int, int, int], ...], *, high: bool = False
    ) -> None:
        number = self._number(name)
        if number is None:
            return
        self._add(_JEQ, number, 0, len(steps) + 2)
        self._add(_LD, _ARGS + 8 * argument + 4 * high)
        for step in steps:
            self._add(*step)
        self._add(_LD, _NR)

    def finish(self) -> bytes:
        """Return the program; what was not refused is allowed."""
        self._add(_RET, _ALLOW)
        return bytes(self.code)


def program(settings: Settings, machine: str) -> bytes:
    """Return the filter for these settings on this machine, as `uname -m` names it."""
    build = Filter(machine)
    for name in REFUSED:
        build.refuse(name)
    build.refuse("clone3", errno.ENOSYS)
    build.refuse_bits("clone", 0, NEW_NAMESPACES)
    build.refuse_values("ioctl", 1, _TERMINAL_INPUT)
    _refuse_sockets(build, settings)
    if not settings.memory_files:
        build.refuse("memfd_create")
        build.refuse("memfd_secret")
    if not settings.new_sessions:
        build.refuse("setsid")
        build.refuse("setpgid")
    return build.finish()


def _refuse_sockets(build: Filter, settings: Settings) -> None:
    streams = (socket.SOCK_STREAM, socket.SOCK_SEQPACKET)
    if settings.unix_sockets:
        build.require_values("socket", 0, (socket.AF_UNIX,))
        build.require_values("socket", 1, streams, mask=0xF)
    else:
        build.refuse("socket")
    build.require_values("socketpair", 1, streams, mask=0xF)
    build.refuse("connect", errno.ENOENT)
    build.refuse_bits("sendto", 4, 0xFFFFFFFF)
    build.refuse_bits("sendto", 4, 0xFFFFFFFF, high=True)


def install(settings: Settings) -> None:
    """Filter this process and all that it starts, for ever; needs `no_new_privs`.

    Older kernels slow a filtered process down against Spectre unless told not to. Raises `OSError`
    where the kernel or the machine has no such filter.
    """
    machine = platform.machine()
    if machine not in _AUDIT_ARCH:
        raise OSError(errno.ENOSYS, "no filter for this machine", machine)
    code = program(settings, machine)
    buffer = ctypes.create_string_buffer(code, len(code))
    header = _Program(len(code) // 8, ctypes.addressof(buffer))
    linux.syscall(_SECCOMP[machine], _SET_MODE_FILTER, _SPEC_ALLOW, ctypes.byref(header))
