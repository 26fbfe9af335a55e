import os
import signal
import time
from pathlib import Path

import pytest

from eval.runner import processes

MIB = 1 << 20


@pytest.fixture
def family():
    """A child with a child of its own; the second holds 64 MiB that it has written to."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        if os.fork() == 0:
            held = bytearray(b"x") * (64 * MIB)
            os.write(write, b"1")
            time.sleep(600 + len(held) * 0)
        time.sleep(600)
    assert os.read(read, 1) == b"1"
    yield pid
    processes.kill_tree(pid)
    os.waitpid(pid, 0)


def test_a_tree_is_the_process_and_its_descendants(family):
    members = processes.tree(family)
    assert members[0] == family
    assert len(members) == 2


def test_those_of_a_tree_are_found_by_their_parents(family):
    _, grandchild = processes.tree(family)
    pids = {1, os.getppid(), os.getpid(), family, grandchild}
    assert processes.members(os.getpid(), pids) == {os.getpid(), family, grandchild}
    assert processes.members(family, pids) == {family, grandchild}
    assert processes.members(family, ()) == set()
    nobody = 0
    assert processes.members(nobody, pids) is None
    assert processes.members(os.getpid(), {*pids, nobody}) is None


def test_usage_counts_memory_and_tasks_of_all(family):
    used = processes.usage(family)
    assert 64 * MIB <= used.resident_bytes < 1024 * MIB
    assert used.tasks == 2
    assert processes.usage(family, most_tasks=1).tasks == 2


def test_shared_pages_are_counted_once(family):
    alone = processes.usage(processes.tree(family)[1]).resident_bytes
    assert processes.usage(family).resident_bytes < alone + 32 * MIB
    assert processes.usage(family, most_tasks=1).resident_bytes >= alone


def test_a_tree_that_is_gone_uses_nothing():
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    assert processes.usage(pid) == processes.Usage(0, 0)
    processes.kill_tree(pid)


def test_kill_ends_every_member(family):
    child = processes.tree(family)[1]
    processes.kill_tree(family)
    assert os.waitid(os.P_PID, family, os.WEXITED | os.WNOWAIT).si_status == signal.SIGKILL
    while Path(f"/proc/{child}/status").exists() and "Z" not in Path(f"/proc/{child}/stat").read_text():
        time.sleep(0.01)
