import ctypes
import errno
import os
import platform
import resource
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from sandbox_probe import AS_IS, GIB, MACHINES, Inside, attempt, inside, policy, tell

from eval.runner import landlock, sandbox
from eval.runner.seccomp import REFUSED
from eval.runner.syscalls import MACHINES as ARCHITECTURES
from eval.runner.syscalls import NUMBERS, number

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is made of Linux")
SECRET = "the expected values"
PATH_LEVELS = ("landlock", "masked_paths")


@pytest.fixture(params=MACHINES, ids=lambda machine: machine.name)
def machine(request):
    return request.param


@pytest.fixture
def library(tmp_path):
    """A readable folder with a hidden one inside, as site-packages holds the package's data."""
    (tmp_path / "lib/data/deep").mkdir(parents=True)
    (tmp_path / "lib/open.txt").write_text("open")
    (tmp_path / "lib/data/secret.txt").write_text(SECRET)
    (tmp_path / "lib/data/deep/secret.txt").write_text(SECRET)
    (tmp_path / "lib/link").symlink_to(tmp_path / "lib/data")
    (tmp_path / "lib/alone.txt").write_text(SECRET)
    (tmp_path / "outside.txt").write_text(SECRET)
    return tmp_path


def may_administrate():
    status = Path("/proc/self/status").read_text().split("CapEff:")[1]
    return bool(int(status.split()[0], 16) & 1 << 21)


def read(path):
    try:
        return Path(path).read_text()
    except OSError as error:
        return type(error).__name__


def test_levels_are_active_or_missing_never_both(tmp_path, machine):
    def act():
        return None

    report = {}
    for line in Inside(policy(tmp_path / "s"), act, machine).lines():
        report |= line.get("report", {})
    assert {"rlimits", "no_new_privs", "capabilities", "seccomp"} <= set(report["active"])
    if machine is AS_IS and landlock.abi():
        assert "landlock" in report["active"]
    if machine is AS_IS and may_administrate():
        assert {"pid_namespace", "network_namespace", "mount_namespace", "masked_paths"} <= set(
            report["active"]
        )
    assert not set(report["active"]) & set(report["missing"])


@pytest.mark.parametrize(
    "hidden", ["data/secret.txt", "data/deep/secret.txt", "link/secret.txt", "alone.txt"]
)
def test_hidden_paths_cannot_be_read_in_a_readable_folder(library, machine, hidden):
    rules = policy(
        library / "s",
        readable=(str(library / "lib"),),
        hidden=(str(library / "lib/data"), str(library / "lib/alone.txt")),
    )

    def act():
        return read(library / "lib" / hidden), read(library / "lib/open.txt")

    secret, plain = inside(rules, act, PATH_LEVELS, machine)
    assert (SECRET in secret, plain) == (False, "open")


def test_a_readable_folder_in_a_hidden_one_stays_readable(library, machine):
    rules = policy(library / "s", readable=(str(library / "lib"),), hidden=(str(library),))

    def act():
        return read(library / "lib/open.txt"), read(library / "outside.txt")

    plain, secret = inside(rules, act, PATH_LEVELS, machine)
    assert (plain, SECRET in secret) == ("open", False)


@pytest.mark.parametrize(
    "name", ["environ", "cmdline", "maps", "mem", "status", "fd", "cwd", "root/etc/passwd"]
)
def test_the_parent_cannot_be_looked_into(tmp_path, machine, name):
    path = Path(f"/proc/{os.getpid()}", name)
    assert path.exists()

    def act():
        return attempt(lambda: list(path.iterdir()) if path.is_dir() else path.read_bytes())

    assert inside(policy(tmp_path / "s"), act, ("landlock", "private_proc"), machine) != "done"


@pytest.mark.parametrize("name", ["environ", "maps", "status", "task"])
def test_a_runner_sees_itself(tmp_path, machine, name):
    def act():
        path = Path("/proc/self", name)
        return attempt(lambda: list(path.iterdir()) if path.is_dir() else path.read_bytes())

    assert inside(policy(tmp_path / "s"), act, (), machine) == "done"


@pytest.mark.parametrize(
    "path",
    [
        "{tmp}/x",
        "{tmp}/lib/x",
        "/dev/{new}",
        "{home}/{new}",
        "/proc/sys/kernel/core_pattern",
        "/proc/sys/vm/drop_caches",
    ],
)
@pytest.mark.parametrize("cuda", [False, True])
def test_nothing_outside_the_scratch_folder_can_be_written(library, machine, path, cuda):
    target = Path(path.format(tmp=library, home=Path.home(), new=f"kernel-harness-{os.getpid()}"))
    rules = policy(library / "s", readable=(str(library / "lib"),), cuda=cuda)

    def act():
        with target.open("a"):
            pass

    levels = ("landlock", "read_only_mounts")
    assert inside(rules, lambda: attempt(act), levels, machine) in {"PermissionError", "OSError"}
    made = target.exists() and not target.is_relative_to("/proc")
    if made:
        target.unlink()
    assert not made


CHANGES = {
    "mode": lambda path: path.chmod(0),
    "mode by descriptor": lambda path: os.fchmod(os.open(path, os.O_RDONLY), 0),
    "owner": lambda path: os.chown(path, os.getuid(), os.getgid()),
    "times": lambda path: os.utime(path, (1, 1)),
    "attribute": lambda path: os.setxattr(path, "user.x", b"y"),
    "length": lambda path: os.truncate(path, 0),
    "length by reading": lambda path: os.open(path, os.O_RDONLY | os.O_TRUNC),
    "name": lambda path: path.rename(path.parent / "new"),
    "folder": lambda path: path.rename(Path.cwd() / "new"),
    "link": lambda path: os.link(path, "new"),
    "existence": lambda path: path.unlink(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_nothing_outside_the_scratch_folder_can_be_changed(library, machine, change):
    target = library / "lib/open.txt"
    before = target.stat()

    def act():
        return attempt(lambda: CHANGES[change](target))

    rules = policy(library / "s", readable=(str(library / "lib"),))
    assert inside(rules, act, ("landlock", "read_only_mounts"), machine) != "done"
    after = target.stat()
    assert (after.st_mode, after.st_mtime, after.st_size) == (before.st_mode, before.st_mtime, before.st_size)


def test_cuda_may_name_its_threads(tmp_path, machine):
    def act():
        path = Path(f"/proc/self/task/{threading.get_native_id()}/comm")
        path.write_text("worker")
        return path.read_text().strip()

    assert inside(policy(tmp_path / "s", cuda=True), act, (), machine) == "worker"


def test_the_scratch_folder_is_a_place_to_work_in(tmp_path, machine):
    def act():
        Path("a/b").mkdir(parents=True)
        Path("a/x").write_text("text")
        Path("a/x").rename("a/y")
        Path("link").symlink_to("a/y")
        text = Path("link").read_text()
        Path("a/y").unlink()
        return text, [path.name for path in Path("a").iterdir()], Path.cwd().name

    assert inside(policy(tmp_path / "s"), act, (), machine) == ["text", ["b"], "s"]


def test_a_scratch_folder_in_memory_is_bounded_and_leaves_nothing(tmp_path):
    def act():
        return attempt(lambda: [Path(f"f{i}").write_bytes(bytes(1 << 19)) for i in range(16)])

    rules = policy(tmp_path / "s", scratch_bytes=4 << 20)
    assert inside(rules, act, ("private_scratch",)) == "OSError"
    assert not list((tmp_path / "s").iterdir())


def test_shared_memory_is_private(tmp_path):
    name = f"kernel-harness-{os.getpid()}"
    outside = Path("/dev/shm", name)

    def act():
        return attempt(lambda: outside.write_text("x"))

    inside(policy(tmp_path / "s"), act)
    assert not outside.exists()


def test_no_socket_reaches_anyone(tmp_path, machine):
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as service:
        service.bind(str(tmp_path / "service"))
        service.listen()

        def act():
            def connect(family, address):
                with socket.socket(family) as client:
                    client.connect(address)

            return [
                attempt(lambda: connect(socket.AF_INET, server.getsockname())),
                attempt(lambda: connect(socket.AF_UNIX, str(tmp_path / "service"))),
                attempt(lambda: socket.socket(socket.AF_INET6)),
                attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)),
                attempt(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)),
                attempt(lambda: socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)),
            ]

        for cuda in (False, True):
            done = inside(policy(tmp_path / "s", cuda=cuda), act, ("seccomp",), machine)
            assert "done" not in done, (cuda, done)


def test_the_network_is_empty_even_without_the_filter(tmp_path):
    def act():
        return [
            line.split(":")[0].strip() for line in Path("/proc/self/net/dev").read_text().splitlines()[2:]
        ]

    assert inside(policy(tmp_path / "s"), act, ("network_namespace",)) == ["lo"]


def test_pairs_of_sockets_and_cudas_own_still_work(tmp_path, machine):
    def act():
        left, right = socket.socketpair()
        left.sendall(b"x")
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as own:
            own.bind(f"\0cuda-{os.getpid()}")
            own.listen()
        return right.recv(1).decode()

    assert inside(policy(tmp_path / "s", cuda=True), act, (), machine) == "x"


def test_no_signal_reaches_the_parent(tmp_path, machine):
    outside, me = os.getpid(), os.getppid()

    def act():
        return [attempt(lambda pid=pid: os.kill(pid, 0)) for pid in (outside, me)]

    assert "done" not in inside(policy(tmp_path / "s"), act, ("seccomp",), machine)


def test_a_parent_cannot_be_limited_by_its_child(tmp_path, machine):
    outside, same = os.getpid(), resource.getrlimit(resource.RLIMIT_CORE)

    def act():
        return attempt(lambda: resource.prlimit(outside, resource.RLIMIT_CORE, same))

    assert inside(policy(tmp_path / "s"), act, ("seccomp",), machine) != "done"


@pytest.mark.skipif(platform.machine() not in ARCHITECTURES, reason="the filter does not know this machine")
@pytest.mark.parametrize("name", [name for name in REFUSED if NUMBERS[name][0] is not None])
def test_calls_that_no_kernel_needs_are_refused(tmp_path, name):
    call = number(name, platform.machine())

    def act():
        libc = ctypes.CDLL(None, use_errno=True)
        return libc.syscall(call, 0, 0, 0, 0, 0), ctypes.get_errno()

    assert inside(policy(tmp_path / "s"), act, ("seccomp",)) == [-1, errno.EPERM]


def test_no_power_is_left(tmp_path, machine):
    def act():
        lines = Path("/proc/self/status").read_text().splitlines()
        return {name: value.strip() for name, value in (line.split(":", 1) for line in lines)}

    status = inside(policy(tmp_path / "s"), act, ("capabilities",), machine)
    assert [int(status[f"Cap{kind}"], 16) for kind in ("Inh", "Prm", "Eff", "Amb")] == [0] * 4
    assert status["NoNewPrivs"] == "1"


def test_files_end_at_their_limit(tmp_path):
    def act():
        return attempt(lambda: Path("big").write_bytes(bytes(2 << 20))), Path("big").stat().st_size

    assert inside(policy(tmp_path / "s"), act) == ["OSError", 1 << 20]


def test_a_memory_hog_gets_an_error(tmp_path):
    def act():
        try:
            return len(bytearray(3 * GIB))
        except MemoryError:
            return "refused"

    assert inside(policy(tmp_path / "s"), act) == "refused"


def test_open_files_end_at_their_limit(tmp_path):
    def act():
        return attempt(lambda: [os.open("/dev/null", os.O_RDONLY) for _ in range(200)])

    assert inside(policy(tmp_path / "s"), act) == "OSError"


def test_a_fork_bomb_is_bounded(tmp_path):
    def act():
        children = []
        while len(children) < 500:
            try:
                child = os.fork()
            except BlockingIOError:
                break
            if child == 0:
                time.sleep(60)
                os._exit(0)
            children.append(child)
        return len(children)

    assert inside(policy(tmp_path / "s", max_processes=40), act, ("process_limit",)) < 41


def test_processor_time_is_bounded(tmp_path):
    def act():
        while True:
            pass

    process = Inside(policy(tmp_path / "s", cpu_seconds=1), act, AS_IS)
    assert process.wait() == 128 + signal.SIGKILL


def _leave_behind(told):
    """Start a process that goes its own way and holds the pipe open for as long as it lives."""
    if os.fork() == 0:
        attempt(os.setsid)
        if os.fork() == 0:
            tell(told, {"left": True})
            time.sleep(600)
        os._exit(0)


def _ended(pipe):
    """Wait until every holder of the other end is gone; False if one still lives after a minute."""
    while select.select([pipe], [], [], 60)[0]:
        if not os.read(pipe, 4096):
            return True
    return False


def test_what_a_runner_leaves_behind_ends_with_it(tmp_path):
    pipe, held = os.pipe()

    def act():
        os.close(pipe)
        _leave_behind(held)
        os.close(held)

    process = Inside(policy(tmp_path / "s"), act, AS_IS)
    os.close(held)
    report = process.until("report")
    if "pid_namespace" not in report["active"]:
        pytest.skip("no PID namespace on this machine")
    assert _ended(pipe)


def test_a_tree_is_killed_whole(tmp_path, machine):
    pipe, held = os.pipe()
    told, tells = os.pipe()

    def act():
        os.close(pipe)
        _leave_behind(held)
        _leave_behind(held)
        tell(tells, {"pid": True})
        time.sleep(600)

    process = Inside(policy(tmp_path / "s"), act, machine)
    os.close(held)
    assert os.read(told, 100)
    assert os.read(pipe, 12)
    runner = process.until("fork")["pid"]
    sandbox.kill_tree(runner)
    assert process.wait() == 128 + signal.SIGKILL
    assert _ended(pipe)


def test_a_runner_ends_with_its_zygote(tmp_path):
    def act():
        time.sleep(600)

    process = Inside(policy(tmp_path / "s"), act, AS_IS)
    process.until("report")
    os.kill(process.outer, signal.SIGKILL)
    process.wait()
    assert _ended(process.pipe)


def test_a_second_thread_is_an_error(tmp_path):
    code = (
        "import threading, sys; from eval.runner import sandbox\n"
        "threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
        "sandbox.enter(sandbox.SandboxPolicy(scratch=sys.argv[1], hidden=(), cuda=False, host_memory_bytes=1,"
        " cpu_seconds=None, max_file_bytes=1, max_open_files=9))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], check=False, capture_output=True, text=True
    )
    assert "before any thread is started" in run.stderr
