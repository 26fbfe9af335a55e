import os
import re
import shlex
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from harness.cli import COMMANDS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", ROOT / "docs/trust.md"]
BLOCKS = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
NOT_PASSED = 1


def commands():
    """The words of every kernel-harness line of README's blocks, in order."""
    lines = [shlex.split(line, comments=True) for block in BLOCKS for line in block.splitlines()]
    return [words for words in lines if words and words[0] == "kernel-harness"]


def test_commands_of_the_readme_work(tmp_path):
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    assert len(commands()) >= 5
    for _, *words in commands():
        done = subprocess.run(
            [sys.executable, "-c", "from harness.cli import main; main()", *words],
            cwd=tmp_path,
            text=True,
            capture_output=True,
            check=False,
        )
        # One of the two replies is wrong, as the reader shall see.
        assert done.returncode == (NOT_PASSED if words[0] == "eval" else 0), done.stderr
        assert done.stdout
    assert (tmp_path / "report.html").is_file()


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_and_paths_lead_somewhere(page):
    text = page.read_text()
    linked = re.findall(r"\]\(([^)#:]+)\)", text)
    assert [name for name in linked if not (page.parent / name).exists()] == []
    named = re.findall(
        r"`((?:bench|docs|eval|examples|harness|prompts|reference_solutions|tests)/[\w./*]*)`", text
    )
    assert [name for name in named if "my_" not in name and not any(ROOT.glob(name))] == []


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_targets_of_make_are_there(page):
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    for targets in re.findall(r"`make ((?:[a-z-]+ ?)+)`", page.read_text()):
        if "python3-venv" not in targets:
            subprocess.run(
                ["make", "-n", *targets.split()], cwd=ROOT, env=env, check=True, capture_output=True
            )


def test_every_command_is_there_and_in_the_readme():
    modules = [f"harness.cli.{name.replace('-', '_')}" for name in COMMANDS]
    assert [module for module in modules if find_spec(module) is None] == []
    named = set(re.findall(r"`([\w-]+)`", README)) | {words[1] for words in commands()}
    assert set(COMMANDS) - named == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_commands_that_pages_name_are_there(page):
    named = set(re.findall(r"`kernel-harness ([\w-]+)", page.read_text()))
    assert named <= set(COMMANDS)
