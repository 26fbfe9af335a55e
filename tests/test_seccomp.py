import errno
import re
import struct
from pathlib import Path

import pytest

from eval.runner.seccomp import CHANGES_OF_ATTRIBUTES, REFUSED, Settings, program
from eval.runner.syscalls import MACHINES, NUMBERS

HEADERS = (Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), Path("/usr/include/asm-generic/unistd.h"))
ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
ALLOW, KILL = 0x7FFF0000, 0x80000000
OPEN, CLOSED = Settings(*[True] * 6), Settings(*[False] * 6)
PID = 4321


def execute(code, machine, call, *arguments, arch=None):
    """Interpret the program as the kernel does; return what it answers."""
    values = [*arguments, *[0] * (6 - len(arguments))]
    number = call if isinstance(call, int) else NUMBERS[call][MACHINES.index(machine)]
    data = struct.pack("=IIQ6Q", number, arch or ARCH[machine], 0, *(value % 2**64 for value in values))
    steps = list(struct.iter_unpack("=HBBI", code))
    at = accumulator = 0
    while True:
        operation, if_true, if_false, value = steps[at]
        at += 1
        if operation == 0x06:
            return value
        if operation == 0x20:
            accumulator = struct.unpack_from("=I", data, value)[0]
        elif operation == 0x54:
            accumulator &= value
        else:
            holds = {
                0x15: accumulator == value,
                0x35: accumulator >= value,
                0x45: bool(accumulator & value),
            }[operation]
            at += if_true if holds else if_false


@pytest.mark.parametrize("column", [0, 1], ids=MACHINES)
def test_numbers_agree_with_the_kernels_headers(column):
    if not HEADERS[column].exists():
        pytest.skip(f"no {HEADERS[column]} here")
    text = HEADERS[column].read_text()
    found = dict(re.findall(r"^#define __NR(?:3264)?_(\w+)\s+(\d+)$", text, re.MULTILINE))
    known = {name: pair[column] for name, pair in NUMBERS.items() if name in found}
    assert len(known) > 70
    assert known == {name: int(found[name]) for name in known}


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("settings", [OPEN, CLOSED])
def test_refused_calls_and_ordinary_ones(machine, settings):
    code = program(settings, machine, PID)
    for name in REFUSED:
        if NUMBERS[name][MACHINES.index(machine)] is not None:
            assert execute(code, machine, name) == 0x50000 | errno.EPERM, name
    for name in CHANGES_OF_ATTRIBUTES:
        if NUMBERS[name][MACHINES.index(machine)] is not None:
            expected = 0x50000 | errno.EPERM if settings is CLOSED else ALLOW
            assert execute(code, machine, name) == expected, name
    ordinary = (0, 1, 3, 9, 59, 202, 257) if machine == "x86_64" else (56, 57, 63, 64, 98, 221, 222)
    for call in ordinary:
        assert execute(code, machine, call) == ALLOW, call


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(
    ("settings", "call", "arguments", "expected"),
    [
        (OPEN, "clone3", (), errno.ENOSYS),
        (OPEN, "clone", (0x003D0F00,), 0),
        (OPEN, "clone", (0x10000011,), errno.EPERM),
        (OPEN, "clone", (0x00020011,), errno.EPERM),
        (OPEN, "ioctl", (3, 0xC0000046), 0),
        (OPEN, "ioctl", (0, 0x5412), errno.EPERM),
        (OPEN, "fcntl", (3, 2, 1), 0),
        (OPEN, "fcntl", (3, 8, 1), errno.EPERM),
        (OPEN, "socket", (1, 5 | 0o2000000), 0),
        (OPEN, "socket", (1, 2), errno.EPERM),
        (OPEN, "socket", (2, 1), errno.EPERM),
        (CLOSED, "socket", (1, 1), errno.EPERM),
        (CLOSED, "socketpair", (1, 1 | 0o2000000), 0),
        (CLOSED, "socketpair", (1, 2), errno.EPERM),
        (OPEN, "connect", (3, 1, 1), errno.ENOENT),
        (OPEN, "sendto", (3, 1, 1, 0, 0), 0),
        (OPEN, "sendto", (3, 1, 1, 0, 0x7F0000000000), errno.EPERM),
        (OPEN, "sendto", (3, 1, 1, 0, 0x00001000), errno.EPERM),
        (OPEN, "memfd_create", (), 0),
        (CLOSED, "memfd_create", (), errno.EPERM),
        (OPEN, "setsid", (), 0),
        (CLOSED, "setsid", (), errno.EPERM),
        (OPEN, "prctl", (15, 0x1000), 0),
        (OPEN, "prctl", (1, 0), errno.EPERM),
        (OPEN, "prctl", (22, 2), errno.EPERM),
        (OPEN, "openat", (-100, 0x1000, 0o1000), 0),
        (OPEN, "openat2", (), 0),
        (CLOSED, "openat", (-100, 0x1000, 0o2100000), 0),
        (CLOSED, "openat", (-100, 0x1000, 0o1101), 0),
        (CLOSED, "openat", (-100, 0x1000, 0o1002), 0),
        (CLOSED, "openat", (-100, 0x1000, 0o1000), errno.EPERM),
        (CLOSED, "openat", (-100, 0x1000, 0o1003), errno.EPERM),
        (CLOSED, "openat", (-100, 0x1000, 0o2001100), errno.EPERM),
        (CLOSED, "openat2", (), errno.ENOSYS),
        (CLOSED, "truncate", (), errno.EPERM),
        (CLOSED, "prlimit64", (0, 7), 0),
        (CLOSED, "prlimit64", (PID - 1, 7), errno.EPERM),
        (OPEN, "kill", (PID - 1, 9), 0),
        (CLOSED, "kill", (PID, 9), 0),
        (CLOSED, "kill", (0, 9), 0),
        (CLOSED, "kill", (-1, 9), errno.EPERM),
        (CLOSED, "kill", (PID - 1, 9), errno.EPERM),
        (CLOSED, "tgkill", (PID, 9), 0),
        (CLOSED, "tgkill", (PID - 1, 9), errno.EPERM),
    ],
)
def test_calls_that_depend_on_arguments(machine, settings, call, arguments, expected):
    answer = execute(program(settings, machine, PID), machine, call, *arguments)
    assert answer == (0x50000 | expected if expected else ALLOW)


def test_other_calling_conventions_are_closed():
    code = program(OPEN, "x86_64", PID)
    assert execute(code, "x86_64", 20, arch=0x40000003) == KILL
    assert execute(code, "x86_64", 0x40000000 + 59) == 0x50000 | errno.EPERM


def test_other_machines_have_no_program():
    with pytest.raises(KeyError):
        program(OPEN, "riscv64", PID)
