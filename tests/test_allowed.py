import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.runner import allowed

TREE = {
    "/usr": ["/usr/bin", "/usr/lib"],
    "/usr/lib": ["/usr/lib/py", "/usr/lib/x.so"],
    "/usr/lib/py": ["/usr/lib/py/harness", "/usr/lib/py/torch"],
    "/usr/lib/py/harness": ["/usr/lib/py/harness/_data", "/usr/lib/py/harness/cli.py"],
    "/repo": ["/repo/.venv", "/repo/data", "/repo/prompts"],
    "/repo/.venv": ["/repo/.venv/bin", "/repo/.venv/lib"],
}


def folder(path):
    return [Path(child) for child in TREE.get(str(path), [])]


@pytest.mark.parametrize(
    ("allow", "deny", "expected"),
    [
        (["/usr"], [], ["/usr"]),
        (["/usr"], ["/repo"], ["/usr"]),
        (["/usr"], ["/usr"], []),
        (["/usr"], ["/usr/bin"], ["/usr/lib"]),
        (
            ["/usr"],
            ["/usr/lib/py/harness/_data"],
            ["/usr/bin", "/usr/lib/py/harness/cli.py", "/usr/lib/py/torch", "/usr/lib/x.so"],
        ),
        (["/usr"], ["/usr/lib/py/harness", "/usr/bin"], ["/usr/lib/py/torch", "/usr/lib/x.so"]),
        (["/usr"], ["/usr/lib/not-there-yet"], ["/usr/bin", "/usr/lib/py", "/usr/lib/x.so"]),
        (["/repo/.venv"], ["/repo"], ["/repo/.venv"]),
        (["/repo"], ["/repo/data", "/repo/.venv/lib"], ["/repo/.venv/bin", "/repo/prompts"]),
        (["/usr", "/usr"], ["/usr/libx"], ["/usr/bin", "/usr/lib"]),
        (["/usr/bin", "/usr"], [], ["/usr/bin", "/usr"]),
    ],
)
def test_expand(allow, deny, expected):
    got = allowed.expand(map(Path, allow), map(Path, deny), folder)
    assert [str(path) for path in got] == expected


PATHS = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=4).map(
    lambda parts: Path("/", *parts)
)


@given(st.lists(PATHS, max_size=3), st.lists(PATHS, max_size=3), PATHS)
def test_expand_grants_what_is_allowed_and_not_denied(allow, deny, probe):
    def full(path):
        return [path / name for name in "abc"] if len(path.parts) < 5 else []

    granted = any(probe.is_relative_to(part) for part in allowed.expand(allow, deny, full))
    expected = any(
        probe.is_relative_to(root)
        and not any(probe.is_relative_to(d) for d in deny if d.is_relative_to(root))
        and not any(d.is_relative_to(probe) for d in deny if d.is_relative_to(root))
        for root in allow
    )
    assert granted == expected


def test_children_leave_links_out(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("/etc")
    assert allowed.children(tmp_path) == [tmp_path / "real"]
    assert allowed.children(tmp_path / "gone") == []


def test_python_roots_hold_the_library_and_no_checkout():
    roots = allowed.resolved(allowed.python_roots())
    assert any(Path(pytest.__file__).resolve().is_relative_to(root) for root in roots)
    assert Path(sys.prefix).resolve() in roots
    assert not any(Path.cwd().is_relative_to(root) for root in roots)


def test_libraries_named_by_the_environment(monkeypatch):
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/x/lib:relative::/opt/y")
    monkeypatch.setenv("CUDA_HOME", "/opt/cuda")
    assert [str(path) for path in allowed.library_roots()] == ["/opt/x/lib", "/opt/y", "/opt/cuda"]
