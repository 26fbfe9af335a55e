"""The walls around a runner: put up in the forked child before candidate code loads or CUDA starts.

Each level stands by itself. What a machine cannot give is reported as missing, never claimed.
"""

import contextlib
import os
import resource
from collections.abc import Callable
from pathlib import Path

from eval.records import Record
from eval.runner import allowed, capabilities, landlock, linux, namespaces, rlimits, seccomp
from eval.runner.cgroup import Cgroup
from eval.runner.namespaces import Fork, fork_contained
from eval.runner.processes import Usage, hide_from_same_user, kill_tree, usage
from eval.runner.scratch import folder_bytes, remove_folder

__all__ = [
    "Cgroup",
    "Fork",
    "SandboxPolicy",
    "SandboxReport",
    "Usage",
    "enter",
    "folder_bytes",
    "fork_contained",
    "hide_from_same_user",
    "kill_tree",
    "remove_folder",
    "usage",
]

SHARED_MEMORY, SHARED_MEMORY_BYTES = Path("/dev", "shm"), 64 << 20
_SYSTEM_STATE = tuple(Path("/proc", name) for name in ("bus", "fs", "irq", "sys", "sysrq-trigger"))
_SIGKILL = 9


class SandboxPolicy(Record):
    """What one runner may touch and use."""

    scratch: str
    """The only writable folder: Triton's cache, HOME and TMPDIR lie in it."""
    hidden: tuple[str, ...]
    """Paths that stay unreadable even inside a folder that is readable otherwise."""
    cuda: bool
    """Allow NVIDIA's device nodes; the address space is then not limited, since CUDA maps all memory."""
    host_memory_bytes: int
    cpu_seconds: int | None
    max_file_bytes: int
    max_open_files: int
    max_processes: int = 512
    """Processes and threads; root is not held to it (see `Cgroup`)."""
    readable: tuple[str, ...] = ()
    """Further folders to read and run programs from."""
    gpu_nodes: tuple[str, ...] | None = None
    """Device nodes under /dev; None is every NVIDIA node."""
    ipc_namespace: bool | None = None
    """None is: without CUDA only, since CUDA's memory handles do not cross it."""
    landlock_version: int = 99
    """Use no more of Landlock than this version of it has."""
    scratch_bytes: int | None = None
    """Cover the scratch folder with one in memory of this size, which ends with the runner."""


class SandboxReport(Record):
    """Which levels of isolation are in force."""

    active: tuple[str, ...]
    missing: tuple[str, ...]
    notes: tuple[str, ...] = ()
    """Why a level is missing, as ``level: reason``."""

    def plus(self, level: str, *, held: bool, note: str = "") -> "SandboxReport":
        """Return a report with one more level, which the trusted side knows of."""
        return SandboxReport(
            active=(*self.active, level) if held else self.active,
            missing=self.missing if held else (*self.missing, level),
            notes=(*self.notes, f"{level}: {note}") if note else self.notes,
        )


class _Levels:
    """Collects what held and what did not."""

    def __init__(self) -> None:
        self.report = SandboxReport(active=(), missing=())

    def attempt(self, level: str, step: Callable[[], None]) -> bool:
        try:
            step()
        except OSError as error:
            self.note(level, held=False, why=str(error))
            return False
        self.note(level, held=True)
        return True

    def holds(self, level: str) -> bool:
        return level in self.report.active

    def note(self, level: str, *, held: bool, why: str = "") -> None:
        self.report = self.report.plus(level, held=held, note=why)


def enter(policy: SandboxPolicy) -> SandboxReport:
    """Restrict this process and all that it starts, for ever.

    Call it in a single-threaded process, best one that `fork_contained` made. Every module of the
    harness that is needed later must be loaded before. Raises `RuntimeError` where another thread
    is running, since that one would stay outside.
    """
    if not linux.is_single_threaded():
        raise RuntimeError("the sandbox must be entered before any thread is started")
    levels = _Levels()
    _own_session()
    _enter_namespaces(policy, levels)
    os.chdir(policy.scratch)
    _limit_processes(policy, levels)
    levels.attempt("no_new_privs", lambda: _ignore(linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)))
    levels.attempt("capabilities", capabilities.drop_all)
    _ignore(linux.prctl(linux.PR_SET_PDEATHSIG, _SIGKILL))
    version = min(policy.landlock_version, landlock.abi())
    private_shm = levels.holds("private_shm")
    if levels.attempt("landlock", lambda: _restrict_paths(policy, version, shared_memory=private_shm)):
        levels.note("signal_scope", held=version >= landlock.SCOPE_ABI)
    levels.attempt("rlimits", lambda: _limit(policy))
    settings = _settings(policy, levels, version)
    levels.attempt("seccomp", lambda: seccomp.install(settings))
    return levels.report


def _ignore(_: int) -> None:
    """Make a step of a call that returns a number."""


def _own_session() -> None:
    if os.getsid(0) != os.getpid():
        os.setsid()
    os.umask(0o077)
    linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def in_pid_namespace() -> bool:
    """Tell whether this process is the first of a PID namespace, as `fork_contained` makes it."""
    return os.getpid() == 1


def _enter_namespaces(policy: SandboxPolicy, levels: _Levels) -> None:
    levels.note("pid_namespace", held=in_pid_namespace())
    levels.attempt("network_namespace", lambda: namespaces.unshare(namespaces.NEWNET))
    if policy.ipc_namespace if policy.ipc_namespace is not None else not policy.cuda:
        levels.attempt("ipc_namespace", lambda: namespaces.unshare(namespaces.NEWIPC))
    if not levels.attempt("mount_namespace", _own_mounts):
        return
    levels.attempt("private_shm", lambda: namespaces.mount_memory(SHARED_MEMORY, SHARED_MEMORY_BYTES))
    levels.attempt("masked_paths", lambda: namespaces.mask(_maskable(policy)))
    if policy.scratch_bytes is not None:
        scratch, size = Path(policy.scratch), policy.scratch_bytes
        levels.attempt("private_scratch", lambda: _cover_scratch(scratch, size))
    if in_pid_namespace():
        levels.attempt("private_proc", namespaces.mount_proc)
    levels.attempt("read_only_mounts", lambda: _close_mounts(policy, levels))


def _cover_scratch(scratch: Path, size: int) -> None:
    if namespaces.user_mapping() == "nobody":
        raise OSError("a user that nobody named can make no file there")
    namespaces.mount_memory(scratch, size)


def _close_mounts(policy: SandboxPolicy, levels: _Levels) -> None:
    """Leave to write: the scratch folder, private shared memory, and this process's part of /proc."""
    keep = [*allowed.resolved([policy.scratch]), Path("/proc")]
    if levels.holds("private_shm"):
        keep.append(SHARED_MEMORY)
    for folder in (keep[0], *_SYSTEM_STATE):
        if folder.exists():
            namespaces.bind_to_itself(folder)
    namespaces.make_read_only(keep)


def _own_mounts() -> None:
    namespaces.unshare(namespaces.NEWNS | namespaces.NEWUTS)
    namespaces.own_mounts()


def _maskable(policy: SandboxPolicy) -> tuple[Path, ...]:
    """Return the largest parts of the hidden paths that hold nothing the runner needs."""
    needed = (*_read_roots(policy), *allowed.resolved([policy.scratch]))
    return allowed.expand(allowed.resolved(policy.hidden), needed)


def _limit(policy: SandboxPolicy) -> None:
    rlimits.limit(resource.RLIMIT_CORE, 0)
    rlimits.limit(resource.RLIMIT_FSIZE, policy.max_file_bytes)
    rlimits.limit(resource.RLIMIT_NOFILE, policy.max_open_files)
    rlimits.limit(resource.RLIMIT_MSGQUEUE, 0)
    if policy.cpu_seconds is not None:
        rlimits.limit(resource.RLIMIT_CPU, policy.cpu_seconds)
    if not policy.cuda:
        rlimits.limit_address_space(policy.host_memory_bytes)


def _limit_processes(policy: SandboxPolicy, levels: _Levels) -> None:
    held = rlimits.limit_processes(policy.max_processes, namespaces.user_mapping())
    levels.note("process_limit", held=held, why="" if held else "root is not held to it")


def _read_roots(policy: SandboxPolicy) -> tuple[Path, ...]:
    named = (*policy.readable, *allowed.SYSTEM)
    return allowed.resolved(
        (*named, *allowed.python_roots(), *allowed.library_roots(), *allowed.compiler_roots())
    )


def _restrict_paths(policy: SandboxPolicy, version: int, *, shared_memory: bool) -> None:
    hidden = allowed.resolved(policy.hidden)
    rules = landlock.Ruleset(version)
    rules.allow(allowed.expand(_read_roots(policy), hidden), landlock.READ_EXECUTE)
    quiet = (*allowed.SYS, *(f"/proc/{name}" for name in allowed.PROC))
    rules.allow(map(Path, quiet), landlock.READ)
    # CUDA does not start unless it may name its threads, by opening their comm files with O_TRUNC
    rules.allow_pinned(Path("/proc/self"), landlock.OWN_PROCESS if policy.cuda else landlock.READ)
    rules.allow(allowed.resolved([policy.scratch]), landlock.SCRATCH)
    rules.allow(map(Path, _device_nodes(policy)), landlock.DEVICE)
    if shared_memory:
        rules.allow([SHARED_MEMORY], landlock.SCRATCH)
    rules.enforce()


def _device_nodes(policy: SandboxPolicy) -> tuple[str, ...]:
    if not policy.cuda:
        return allowed.DEVICES
    nodes = policy.gpu_nodes if policy.gpu_nodes is not None else tuple(map(str, allowed.gpu_nodes()))
    return (*allowed.DEVICES, *nodes)


def _settings(policy: SandboxPolicy, levels: _Levels, version: int) -> seccomp.Settings:
    return seccomp.Settings(
        unix_sockets=policy.cuda,
        memory_files=policy.cuda,
        alone=in_pid_namespace(),
        signals_scoped=levels.holds("signal_scope"),
        mounts_read_only=levels.holds("read_only_mounts"),
        truncation_checked=levels.holds("landlock") and version >= landlock.TRUNCATE_ABI,
    )
