"""Run a function inside a real sandbox and bring back what it returned."""

import json
import os
import platform
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from eval.runner import capabilities, linux, sandbox, seccomp
from eval.runner.bpf import Filter
from eval.runner.namespaces import Fork

GIB = 1 << 30


def _in_a_container() -> None:
    """Refuse what the usual profile of a container refuses."""
    _refuse("unshare", "mount", "setns")


def _without_landlock() -> None:
    _refuse("landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self")


class Machine(NamedTuple):
    """A machine that gives less than this one: by taking it away, for real, in the zygote."""

    name: str
    prepare: Callable[[], None]
    landlock_version: int = 99


AS_IS = Machine("as_it_is", lambda: None)
MACHINES = (
    AS_IS,
    Machine("without_powers", capabilities.drop_all),
    Machine("in_a_container", _in_a_container),
    Machine("in_a_container_on_linux_6_1", _in_a_container, landlock_version=2),
    Machine("without_landlock", _without_landlock),
)


def _refuse(*names: str) -> None:
    build = Filter(platform.machine())
    build.refuse(*names)
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    seccomp.load(build.finish())


def policy(scratch: Path, **changes: Any) -> sandbox.SandboxPolicy:
    scratch.mkdir(exist_ok=True)
    usual = {
        "scratch": str(scratch), "hidden": (), "cuda": False, "host_memory_bytes": GIB, "cpu_seconds": 60,
        "max_file_bytes": 1 << 20, "max_open_files": 128, "max_processes": 64,
    }  # fmt: skip
    return sandbox.SandboxPolicy(**(usual | changes))


class Inside:
    """A process that entered a sandbox; its answer is read with `answer`."""

    def __init__(self, policy: sandbox.SandboxPolicy, act: Callable[[], Any], machine: Machine):
        policy = policy.model_copy(update={"landlock_version": machine.landlock_version})
        self.pipe, write = os.pipe()
        self.outer = os.fork()
        if self.outer == 0:
            os.close(self.pipe)
            _outer(policy, act, machine, write)
        os.close(write)

    def lines(self) -> list[Any]:
        """Read to the end, which comes when nobody in the sandbox is left."""
        with os.fdopen(self.pipe) as pipe:
            return [json.loads(line) for line in pipe]

    def until(self, key: str) -> Any:
        """Read to the line that has this key, and return its value."""
        line: dict[str, Any] = {}
        while key not in line:
            text = b""
            while not text.endswith(b"\n"):
                text += os.read(self.pipe, 1)
            line = json.loads(text)
        return line[key]

    def wait(self) -> int:
        return os.waitstatus_to_exitcode(os.waitpid(self.outer, 0)[1])


def _outer(policy: sandbox.SandboxPolicy, act: Callable[[], Any], machine: Machine, write: int) -> None:
    """Play the zygote: fork the runner and end with its exit status."""
    code = 99
    try:
        machine.prepare()
        fork = sandbox.fork_contained()
        if fork.pid == 0:
            code = _runner(policy, act, write)
        else:
            tell(write, {"fork": fork._asdict()})
            os.close(write)
            status = os.waitstatus_to_exitcode(os.waitpid(fork.pid, 0)[1])
            code = status if status >= 0 else 128 - status
    finally:
        os._exit(code)


def _runner(policy: sandbox.SandboxPolicy, act: Callable[[], Any], write: int) -> int:
    try:
        report = sandbox.enter(policy)
        tell(write, {"report": report.model_dump()})
        tell(write, {"value": act()})
    except BaseException:  # noqa: BLE001 - a child must never return into the test runner
        tell(write, {"failed": traceback.format_exc()})
        return 1
    return 0


def tell(write: int, value: Any) -> None:
    os.write(write, (json.dumps(value) + "\n").encode())


def inside(
    policy: sandbox.SandboxPolicy,
    act: Callable[[], Any],
    needs: tuple[str, ...] = (),
    machine: Machine = AS_IS,
) -> Any:
    """Return what `act` returned inside; skip the test where a level that it is about is missing."""
    process = Inside(policy, act, machine)
    answers: dict[str, Any] = {}
    for line in process.lines():
        answers |= line
    process.wait()
    assert "failed" not in answers, answers["failed"]
    report = sandbox.SandboxReport.model_validate(answers["report"])
    if not set(needs) & set(report.active) and needs:
        pytest.skip(f"this machine gives none of {needs}: {report.notes}")
    assert "value" in answers, "the runner died"
    return answers["value"]


def attempt(act: Callable[[], Any]) -> str:
    """Return ``done`` where the act succeeds, else the name of its error."""
    try:
        act()
    except OSError as error:
        return type(error).__name__
    return "done"


__all__ = ["AS_IS", "GIB", "MACHINES", "Fork", "Inside", "attempt", "inside", "policy", "tell"]
