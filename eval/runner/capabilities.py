"""Give up root's powers for good: no capability is left, and no program can bring one back."""

import ctypes
import errno

from eval.runner import linux

_VERSION_3 = 0x20080522
_CLEAR_AMBIENT = 4
_NO_ROOT_LOCKED = 0b11
_HIGHEST = 63


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_uint32) for name in ("effective", "permitted", "inheritable"))


def drop_all() -> None:
    """Empty every capability set of this process; raises `OSError` where the kernel refuses.

    Without the right to shrink the bounding set, `no_new_privs` does that set's work.
    """
    try:
        _shrink_bounding_set()
        linux.prctl(linux.PR_SET_SECUREBITS, _NO_ROOT_LOCKED)
    except PermissionError:
        pass
    linux.prctl(linux.PR_CAP_AMBIENT, _CLEAR_AMBIENT)
    header, empty = _Header(_VERSION_3, 0), (_Sets * 2)()
    linux.call("capset", ctypes.byref(header), ctypes.byref(empty))


def _shrink_bounding_set() -> None:
    for capability in range(_HIGHEST + 1):
        try:
            linux.prctl(linux.PR_CAPBSET_DROP, capability)
        except OSError as error:
            if error.errno == errno.EINVAL:
                return
            raise
