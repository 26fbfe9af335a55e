import os
import signal
import time
from pathlib import Path

import pytest

from eval.runner.cgroup import Cgroup, _own_groups, _sweep, _unified_parent

MIB = 1 << 20


@pytest.fixture
def group():
    made = Cgroup.create(256 * MIB, 20)
    if made is None:
        pytest.skip("this user may not make control groups here")
    yield made
    made.close()


def member(group, act):
    """Start a process that acts once it is in the group; return it and the pipe with its answer."""
    gate, go = os.pipe()
    answer, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.read(gate, 1)
        os.write(tell, str(act()).encode())
        os._exit(0)
    os.close(tell)
    group.add(pid)
    os.write(go, b"1")
    return pid, answer


def test_a_fork_bomb_is_bounded(group):
    def act():
        made = 0
        for _ in range(200):
            try:
                if os.fork() == 0:
                    time.sleep(600)
            except BlockingIOError:
                break
            made += 1
        return made

    pid, answer = member(group, act)
    assert os.read(answer, 10) == b"19"
    group.kill()
    os.waitpid(pid, 0)


def test_a_memory_hog_is_killed_and_named(group):
    assert not group.ran_out_of_memory()

    def act():
        return len(bytearray(b"x") * (1024 * MIB))

    pid, _ = member(group, act)
    assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGKILL
    assert group.ran_out_of_memory()


def test_members_and_their_memory_are_seen(group):
    def act():
        held = bytearray(b"x") * (64 * MIB)
        os.write(ready, b"1")
        time.sleep(600 + len(held) * 0)

    waiting, ready = os.pipe()
    pid, _ = member(group, act)
    os.read(waiting, 1)
    assert group.processes() == (pid,)
    assert group.memory_bytes() >= 64 * MIB
    group.kill()
    os.waitpid(pid, 0)


def test_closing_ends_the_members_and_removes_the_group(group):
    folders = group._folders
    pid, answer = member(group, lambda: time.sleep(600))
    group.close()
    assert not any(folder.exists() for folder in folders)
    assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGKILL
    assert os.read(answer, 1) == b""


def test_what_a_dead_judge_left_is_swept(tmp_path):
    gone = os.fork()
    if gone == 0:
        os._exit(0)
    os.waitpid(gone, 0)
    for pid in (gone, os.getpid()):
        (tmp_path / f"kernel-harness-{pid}-0").mkdir()
    _sweep(tmp_path)
    assert [folder.name for folder in tmp_path.iterdir()] == [f"kernel-harness-{os.getpid()}-0"]


def test_own_groups_by_controller():
    text = "9:name=systemd:/\n5:cpu,cpuacct:/a\n4:memory:/b:c\n0::/user.slice\n"
    assert _own_groups(text) == [
        ("name=systemd", "/"), ("cpu", "/a"), ("cpuacct", "/a"), ("memory", "/b:c"), ("", "/user.slice"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("handing", "limited", "expected"),
    [
        (["a/b/own"], [], "a/b/own"),
        (["a/b", ""], [], "a/b"),
        ([""], [], ""),
        (["a"], ["a/b"], None),
        (["a/b"], ["a"], "a/b"),
        ([], [], None),
    ],
)
def test_the_nearest_group_that_can_be_divided(tmp_path, handing, limited, expected):
    for name in ("", "a", "a/b", "a/b/own"):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        (folder / "cgroup.subtree_control").write_text("cpu memory pids" if name in handing else "")
        (folder / "memory.max").write_text("1000\n" if name in limited else "max\n")
    if expected is None:
        with pytest.raises(PermissionError):
            _unified_parent(tmp_path, "/a/b/own")
    else:
        assert _unified_parent(tmp_path, "/a/b/own") == Path(tmp_path, expected)
