"""Build the program that the kernel runs at every system call of a filtered process."""

import errno
import struct

from eval.runner.syscalls import number

_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32_BIT = 0x40000000
_LD, _JEQ, _JGE, _JSET, _AND, _RET = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_NR, _ARCH, _ARGUMENTS = 0, 4, 16
_Step = tuple[int, int, int, int]
_REFUSE: _Step = (_RET, _ERRNO | errno.EPERM, 0, 0)


class Filter:
    """A program that grows by one check a call, for one machine; what no check refuses is allowed."""

    def __init__(self, machine: str) -> None:
        """Start with the calling convention: 32-bit calls have other numbers and would pass."""
        self._machine = machine
        self._code = bytearray()
        self._add((_LD, _ARCH, 0, 0), (_JEQ, _AUDIT_ARCH[machine], 1, 0), (_RET, _KILL, 0, 0))
        self._add((_LD, _NR, 0, 0))
        if machine == "x86_64":
            self._add((_JGE, _X32_BIT, 0, 1), _REFUSE)

    def _add(self, *steps: _Step) -> None:
        for code, value, if_true, if_false in steps:
            self._code += struct.pack("=HBBI", code, if_true, if_false, value)

    def refuse(self, *names: str, error: int = errno.EPERM) -> None:
        """Refuse calls whatever their arguments."""
        for name in names:
            call = number(name, self._machine)
            if call is not None:
                self._add((_JEQ, call, 0, 1), (_RET, _ERRNO | error, 0, 0))

    def refuse_bits(self, name: str, argument: int, bits: int) -> None:
        """Refuse a call where any of these bits is set in the argument's lower half."""
        self._on_argument(name, argument, (_JSET, bits, 0, 1), _REFUSE)

    def refuse_pointer(self, name: str, argument: int) -> None:
        """Refuse a call unless the argument is null."""
        for half in (0, 1):
            self._on_argument(name, argument, (_JEQ, 0, 1, 0), _REFUSE, half=half)

    def refuse_values(self, name: str, argument: int, *values: int) -> None:
        """Refuse a call with one of these values."""
        self.refuse_masked(name, argument, 0xFFFFFFFF, *values)

    def refuse_masked(self, name: str, argument: int, mask: int, *values: int) -> None:
        """Refuse a call where the argument, under the mask, is one of these values."""
        for value in values:
            self._on_argument(name, argument, (_AND, mask, 0, 0), (_JEQ, value, 0, 1), _REFUSE)

    def require_values(self, name: str, argument: int, *values: int, mask: int = 0xFFFFFFFF) -> None:
        """Refuse a call unless the argument, under the mask, is one of these values."""
        jumps = [(_JEQ, value, len(values) - index, 0) for index, value in enumerate(values)]
        self._on_argument(name, argument, (_AND, mask, 0, 0), *jumps, _REFUSE)

    def _on_argument(self, name: str, argument: int, *steps: _Step, half: int = 0) -> None:
        call = number(name, self._machine)
        if call is None:
            return
        self._add((_JEQ, call, 0, len(steps) + 2), (_LD, _ARGUMENTS + 8 * argument + 4 * half, 0, 0))
        self._add(*steps, (_LD, _NR, 0, 0))

    def finish(self) -> bytes:
        """Return the program."""
        self._add((_RET, _ALLOW, 0, 0))
        return bytes(self._code)
