import os
from pathlib import Path

import pytest

from eval.runner import scratch

MIB = 1 << 20


def nest(folder):
    """Nest folders deeper than one path can name, as a child that may change its working folder."""
    if (child := os.fork()) == 0:
        os.chdir(folder)
        for _ in range(3000):
            Path("deep").mkdir()
            os.chdir("deep")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


def close(folder):
    (folder / "closed/inner").mkdir(parents=True)
    (folder / "closed/inner/file").touch()
    (folder / "closed/inner").chmod(0)
    (folder / "closed").chmod(0)


def link(folder):
    (folder / "link").symlink_to(folder.parent / "kept")
    (folder / "loop").symlink_to(folder)


@pytest.mark.parametrize("fill", [nest, close, link, lambda folder: None])
def test_a_folder_goes_whatever_is_in_it(tmp_path, fill):
    kept = tmp_path / "kept/file"
    kept.parent.mkdir()
    kept.write_text("kept")
    folder = tmp_path / "scratch"
    folder.mkdir()
    fill(folder)
    assert scratch.folder_bytes(folder) < MIB * 64
    scratch.remove_folder(folder)
    assert not folder.exists()
    assert kept.read_text() == "kept"


def test_a_folder_that_is_gone_is_fine(tmp_path):
    scratch.remove_folder(tmp_path / "gone")
    assert scratch.folder_bytes(tmp_path / "gone") == 0


def test_bytes_of_a_folder(tmp_path):
    (tmp_path / "a").mkdir()
    before = scratch.folder_bytes(tmp_path)
    (tmp_path / "a/x").write_bytes(b"x" * MIB)
    (tmp_path / "a/outside").symlink_to("/usr")
    assert MIB <= scratch.folder_bytes(tmp_path) - before < 2 * MIB
