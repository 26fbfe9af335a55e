"""A runner as a process: forked, put under limits, watched, and ended with all that it started."""

from __future__ import annotations

import contextlib
import os
import select
import time
from base64 import b64encode
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from eval import protocol
from eval.cuda.programs import assembled
from eval.gate import Gate, new_page
from eval.judge import baton
from eval.judge.faults import BrokenJudgeError, FaultRaised, failed
from eval.judge.hidden_paths import hidden_paths
from eval.judge.printed import Printed
from eval.judge.processes import Zygote, clean_environment
from eval.runner.sandbox import (
    Cgroup,
    SandboxPolicy,
    SandboxReport,
    folder_bytes,
    kill_tree,
    remove_folder,
    usage,
)  # fmt: skip

if TYPE_CHECKING:
    from eval.judge.regions import Region
    from eval.records import Limits

_READY_SECONDS = 120.0
_WATCH_SECONDS = 0.25
_EXIT_SECONDS, _LAST_WORD_SECONDS = 20.0, 1.0
_FILE_BYTES, _SCRATCH_BYTES = 1 << 28, 1 << 30
_OPEN_FILES, _TASKS = 1024, 512
_WATCHED_TASKS = 128
"""Where they are only watched: many more come between two looks, and measuring them takes long."""
_KILLED = -9


class Contained:
    """One forked process inside its walls, and the channel to it."""

    def __init__(self, zygote: Zygote, region: Region, limits: Limits, *, cuda: bool) -> None:
        self._zygote, self._limits = zygote, limits
        self._folder = zygote.new_folder()
        self._ended = self._collected = False
        self._watched_at = time.monotonic()
        self.printed = Printed(limits.output_bytes)
        self.channel, theirs = protocol.pair()
        pages = region.export_fds()
        self.gate: Gate | None = None
        """Where a GPU's runner is shown the inputs of timed calls."""
        try:
            if cuda:
                pages.append(new_page())
                self.gate = Gate(pages[-1])
            self._forked = zygote.fork([theirs.fileno(), self.printed.write_fd, *pages])
        finally:
            for page in pages:
                os.close(page)
            theirs.close()
            self.printed.hand_over()
        self._cgroup = self._confine()
        self.report = SandboxReport(active=(), missing=())
        self._entered = False
        self._start(region, cuda=cuda)

    @property
    def pid(self) -> int:
        """The process, as the judge numbers it."""
        return self._forked.pid

    def _confine(self) -> Cgroup | None:
        group = Cgroup.create(int(self._limits.host_memory_gb * 1e9), _TASKS)
        if group is None:
            return None
        try:
            group.add(self.pid)
        except OSError:
            group.close()
            return None
        except BrokenJudgeError:
            group.close()
            raise
        return group

    def _start(self, region: Region, *, cuda: bool) -> None:
        """Send the process inside its walls; `enter` waits until it is there."""
        policy = SandboxPolicy(
            scratch=str(self._folder), hidden=hidden_paths(), cuda=cuda, scratch_bytes=_SCRATCH_BYTES,
            host_memory_bytes=int(self._limits.host_memory_gb * 1e9),
            cpu_seconds=int(self._limits.seconds) * 4, max_file_bytes=_FILE_BYTES,
            max_open_files=_OPEN_FILES, max_processes=_TASKS,
        )  # fmt: skip
        start = {
            "policy": policy.model_dump(mode="json"),
            "env": self._environment(cuda=cuda),
            "memory": {"pieces": region.piece_bytes, "split": region.split},
            "dry": self._zygote.dry,
            "programs": b64encode(assembled()).decode() if cuda else None,
        }
        with self._starting():
            self.channel.send(start)

    def enter(self, seconds: float = _READY_SECONDS) -> None:
        """Wait until the process is inside its walls, with CUDA open; `report` says which walls.

        Raises:
            BrokenJudgeError: it is not there within `seconds`; it has been killed.

        """
        if self._entered:
            return
        with self._starting(), baton.passed_on():
            reply = self.channel.receive(seconds)
        self._entered = True
        self.report = self._with_cgroup({name: reply[name] for name in SandboxReport.model_fields})

    @contextlib.contextmanager
    def _starting(self) -> Iterator[None]:
        try:
            yield
        except (protocol.ChannelClosedError, protocol.ChannelTimeoutError) as error:
            self.kill()
            raise BrokenJudgeError(f"a runner did not start: {self.printed.text() or error}") from error

    def _with_cgroup(self, raw: dict[str, Any]) -> SandboxReport:
        """Add the control group to the report; it bounds the tasks of root, whom limits do not hold."""
        if self._cgroup is None:
            return SandboxReport(**raw).plus("cgroup", held=False, note="this user may not make one here")
        missing = tuple(level for level in raw["missing"] if level != "process_limit")
        return SandboxReport(**{**raw, "missing": missing}).plus("cgroup", held=True)

    def _environment(self, *, cuda: bool) -> dict[str, str]:
        folder = str(self._folder)
        return clean_environment(self._folder, cuda=cuda, dry=self._zygote.dry) | {
            "TRITON_CACHE_DIR": folder + "/triton", "TORCHINDUCTOR_CACHE_DIR": folder + "/inductor",
            "CUDA_CACHE_PATH": folder + "/cuda", "XDG_CACHE_HOME": folder + "/cache",
        }  # fmt: skip

    def speaks(self) -> bool:
        """Tell whether it has sent something or has gone, without waiting, and look after what it prints.

        Raises:
            FaultRaised: the process uses more than it may; it has been killed.

        """
        self._watch()
        return bool(select.select([self.channel], [], [], 0.0)[0])

    def wait(self, seconds: float) -> dict[str, Any] | None:
        """Return the next message, or None after `seconds` or a look at what was printed or is in use.

        Raises:
            FaultRaised: the process uses more than it may; it has been killed.
            ChannelClosedError: the process has gone.
            ProtocolError: what came is not a message.

        """
        watched: list[Any] = [self.channel, self.printed] if self.printed.open else [self.channel]
        with baton.passed_on():
            select.select(watched, [], [], min(seconds, _WATCH_SECONDS))
        self.printed.drain()
        try:
            return self.channel.receive(0.0)
        except protocol.ChannelTimeoutError:
            self._watch()
            return None

    def _watch(self) -> None:
        """Look at what the kernel does not bound here."""
        if time.monotonic() - self._watched_at < _WATCH_SECONDS:
            return
        self._watched_at = time.monotonic()
        self.printed.drain()
        if self._cgroup is None:
            used = usage(self.pid, _WATCHED_TASKS)
            self._require(used.tasks <= _WATCHED_TASKS, f"{used.tasks} processes and threads")
            used_gb = used.resident_bytes / 1e9
            self._require(used_gb <= self._limits.host_memory_gb, f"{used_gb:.1f} GB of memory")
        if "private_scratch" in self.report.missing:
            taken = folder_bytes(self._folder)
            self._require(taken <= _SCRATCH_BYTES, f"{taken / 1e9:.1f} GB in its scratch folder")

    def _require(self, fine: bool, what: str) -> None:
        if not fine:
            self.kill()
            raise failed("memory", f"it took {what}, which is more than it may")

    def death(self) -> FaultRaised:
        """Say why the process ended in the middle of a request, and end what it left behind."""
        status = self._zygote.exit_status(self.pid, _LAST_WORD_SECONDS)
        starved = self._cgroup is not None and self._cgroup.ran_out_of_memory()
        unexplained = self._cgroup is None and status == _KILLED
        self.kill()
        if starved or unexplained:
            return failed(
                "memory", f"killed for taking more than {self._limits.host_memory_gb:g} GB of memory"
            )
        if status is None:
            return failed("crash", "it closed its connection in the middle of a request")
        how = f"by signal {-status}" if status < 0 else f"with exit code {status}"
        return failed("crash", f"the process ended {how} in the middle of a request")

    def alive(self) -> bool:
        """Tell whether the process runs."""
        return not self._ended and not self.gone()

    def gone(self) -> bool:
        """Tell whether the system has taken it apart, without waiting."""
        return self._collected or self._zygote.exit_status(self.pid, 0.0) is not None

    def interrupt(self) -> None:
        """End the process under another thread that may be waiting for it, which then hears that it died."""
        if not self._ended:
            kill_tree(self.pid, self._cgroup)

    def kill(self) -> None:
        """End the process and everything that it started, and remove its scratch folder."""
        self.end()
        self.collect()

    def end(self) -> None:
        """Send it and everything that it started their death; nothing of theirs runs any more."""
        if self._ended:
            return
        self._ended = True
        try:
            kill_tree(self.pid, self._cgroup)
        finally:
            self.channel.close()
            self.printed.close()

    def collect(self) -> None:
        """Wait until the system has taken it apart, its memory on the GPU included."""
        if self._collected:
            return
        self._collected = True
        status = self._zygote.exit_status(self.pid, _EXIT_SECONDS)
        if self._cgroup is not None:
            self._cgroup.close()
        if status is None:
            self._zygote.healthy = False
            return
        self._zygote.let_go(self.pid)
        with contextlib.suppress(OSError):
            remove_folder(self._folder)
