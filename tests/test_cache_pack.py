"""A Triton cache as bytes: whole where it is honest, refused where names or sizes are not Triton's."""

import json
import os

import pytest

from eval.runner import cache_pack

KEY = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567ABCDEFGHIJKLMNOPQRST"
OTHER = KEY[::-1]


def cache(path, **files):
    """A cache of one key with these files, as Triton lays them out."""
    folder = path / KEY
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name.replace("_dot_", ".")).write_text(text)
    return path


def packed(index, rest=b""):
    return json.dumps(index).encode() + b"\n" + rest


def test_what_was_packed_lies_in_the_other_cache_under_its_own_paths(tmp_path):
    first = cache(tmp_path / "first", k_dot_cubin="binary", k_dot_json="{}")
    (first / KEY / "__grp__k.json").write_text('{"child_paths": {"k.cubin": "/elsewhere/k.cubin"}}')
    second = tmp_path / "deep" / "second"
    assert cache_pack.unpack(cache_pack.pack(first), second) == 1
    assert (second / KEY / "k.cubin").read_text() == "binary"
    group = json.loads((second / KEY / "__grp__k.json").read_text())["child_paths"]
    assert group == {name: str(second / KEY / name) for name in ("k.cubin", "k.json")}


def test_what_is_there_already_is_left_alone(tmp_path):
    data = cache_pack.pack(cache(tmp_path / "first", k_dot_cubin="new"))
    second = cache(tmp_path / "second", k_dot_cubin="old")
    assert cache_pack.unpack(data, second) == 1
    assert (second / KEY / "k.cubin").read_text() == "old"


def test_links_odd_names_and_what_is_too_large_are_not_packed(tmp_path):
    first = cache(tmp_path / "first", k_dot_cubin="binary")
    (first / KEY / "link").symlink_to("/nowhere")
    (first / KEY / ".hidden").write_text("x")
    (first / KEY / "tmp.pid_1").mkdir()
    (first / "not a key").mkdir()
    large = first / OTHER
    large.mkdir()
    (large / "k.cubin").write_bytes(bytes(2000))
    os.utime(large, (2**33, 2**33))
    second = tmp_path / "second"
    room = cache_pack.MOST_BYTES
    assert cache_pack.unpack(cache_pack.pack(first), second) == 2
    small = cache_pack.pack(first, (2 << 20) + 1000)
    assert cache_pack.unpack(small, tmp_path / "third") == 1
    assert [path.name for path in (second / KEY).iterdir()] == ["k.cubin"]
    assert len(small) < len(cache_pack.pack(first)) < room


HOSTILE = {
    "no index": b"",
    "not JSON": b"[\n",
    "an object": packed({}),
    "deep": b"[" * 100_000 + b"\n",
    "a row of two": packed([[KEY, "k"]]),
    "a bool for a size": packed([[KEY, "k", True]], b"x"),
    "a way out of the folder": packed([[KEY, "../k", 1]], b"x"),
    "a path": packed([[KEY, "/etc/passwd", 1]], b"x"),
    "the folder itself": packed([[KEY, ".", 0]]),
    "a hidden file": packed([[KEY, ".k", 0]]),
    "a zero byte": packed([[KEY, "k\0", 0]]),
    "a line end": packed([[KEY, "k\n", 0]]),
    "a folder above": packed([["..", "k", 1]], b"x"),
    "a folder that is no key": packed([[KEY + "/x", "k", 1]], b"x"),
    "more bytes than there are": packed([[KEY, "k", 2]], b"x"),
    "fewer bytes than none": packed([[KEY, "k", -1]], b"x"),
    "a huge number": packed([[KEY, "k", 10**30]], b"x"),
    "bytes of no file": packed([[KEY, "k", 1]], b"xy"),
    "a file twice": packed([[KEY, "k", 1], [KEY, "k", 1]], b"xy"),
    "too many files": packed([[KEY, "k", 0]] * 9000),
    "too many bytes": packed([[KEY, "k", 49 << 20]], bytes(49 << 20)),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_what_pack_does_not_write_is_refused_before_anything_is_written(tmp_path, data):
    target = tmp_path / "cache"
    with pytest.raises(ValueError, match=r"\w"):
        cache_pack.unpack(data, target)
    assert not target.exists()
