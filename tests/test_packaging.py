import json
import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from importlib.metadata import PathDistribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
GOLDEN = ROOT / "tests/golden/final_micro_tuning_4090.txt"
REPLIES = ROOT / "tests/replies"
TASK = ("cumsum_exclusive", "--stage", "final_micro_tuning", "--gpu", "4090")
DATA = {
    "prompts": "harness/_data/prompts",
    "reference_solutions": "harness/_data/reference_solutions",
    "tests/cheats": "harness/_data/cheats",
    "tests/honest": "harness/_data/honest",
    "harness": "harness",
    "eval": "eval",
}


def run(words, **options):
    return subprocess.run([*map(str, words)], text=True, capture_output=True, check=True, **options)


def build(target, source, folder):
    """Build `target` as pip would, with the backend that is installed here."""
    run([sys.executable, "-m", "hatchling", "build", "-t", target, "-d", folder], cwd=source)
    return next(Path(folder).iterdir())


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """The source distribution, unpacked: what somebody has who got neither git nor a wheel."""
    archive = build("sdist", ROOT, tmp_path_factory.mktemp("sdist"))
    folder = tmp_path_factory.mktemp("source")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    return next(folder.iterdir())


@pytest.fixture(scope="module")
def wheel(source, tmp_path_factory):
    return build("wheel", source, tmp_path_factory.mktemp("wheel"))


def needed(requirement, found):
    """Collect the distributions that a requirement brings, as pip would resolve it here."""
    wanted = Requirement(requirement)
    name = canonicalize_name(wanted.name)
    if name in found:
        return
    found[name] = distribution(name)
    for text in found[name].requires or ():
        marker = Requirement(text).marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *wanted.extras)):
            needed(text, found)


def described(wheel):
    """The metadata of the wheel itself; an editable installation may hold older ones."""
    with zipfile.ZipFile(wheel) as packed:
        folder = next(name.split("/")[0] for name in packed.namelist() if ".dist-info/" in name)
    return PathDistribution(zipfile.Path(wheel, f"{folder}/"))


def always_needed(metadata):
    marked = [(text, Requirement(text).marker) for text in metadata.requires]
    return [text for text, marker in marked if marker is None or marker.evaluate({"extra": ""})]


def new_environment(folder, wheel, dependencies):
    """Install the wheel alone into a clean environment that finds its dependencies in a folder."""
    venv.create(folder, symlinks=True)
    python = folder / "bin/python"
    run([sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel])
    site = next(folder.glob("lib/python*/site-packages"))
    (site / "dependencies.pth").write_text(f"{dependencies}\n")
    return Installed(folder)


class Installed:
    """An environment, and a working folder that is no checkout."""

    def __init__(self, folder):
        self.folder = folder
        self.work = folder / "work"
        self.work.mkdir()

    def python(self, code):
        return self._run("python", "-c", code)

    def __call__(self, *words):
        return self._run("kernel-harness", *words)

    def _run(self, program, *words):
        return subprocess.run(
            [self.folder / "bin" / program, *map(str, words)],
            cwd=self.work,
            env={"PATH": os.defpath, "HOME": str(self.work)},
            text=True,
            capture_output=True,
            check=False,
        )


@pytest.fixture(scope="module")
def core(wheel, tmp_path_factory):
    """The wheel as `pip install kernel-harness` gives it: with what it declares and nothing else."""
    found = {}
    for text in always_needed(described(wheel)):
        needed(text, found)
    links = tmp_path_factory.mktemp("links")
    for each in found.values():
        for name in {path.parts[0] for path in each.files} - {"..", "__pycache__"}:
            (links / name).symlink_to(each.locate_file(name))
    return new_environment(tmp_path_factory.mktemp("core") / "env", wheel, links)


@pytest.fixture(scope="module")
def full(wheel, tmp_path_factory):
    """The wheel with the torch that is installed here."""
    dependencies = distribution("torch").locate_file("")
    return new_environment(tmp_path_factory.mktemp("full") / "env", wheel, dependencies)


def test_wheel_carries_every_file(wheel):
    with zipfile.ZipFile(wheel) as packed:
        contents = {name: packed.read(name) for name in packed.namelist() if ".dist-info/" not in name}
    expected = {
        f"{place}/{path.relative_to(ROOT / folder).as_posix()}": path.read_bytes()
        for folder, place in DATA.items()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert set(contents) == set(expected)
    assert [name for name, content in contents.items() if content != expected[name]] == []


def test_wheel_names_its_licence_and_asks_for_no_torch(wheel):
    metadata = described(wheel)
    with zipfile.ZipFile(wheel) as packed:
        assert any(name.endswith("licenses/LICENSE") for name in packed.namelist())
    assert metadata.metadata["License-Expression"] == "Apache-2.0"
    assert not {"torch", "triton"} & {Requirement(text).name for text in always_needed(metadata)}


def test_prompt_is_the_seed_byte_for_byte(core):
    done = core("prompt", *TASK)
    assert done.stdout == GOLDEN.read_text(), done.stderr


def test_core_does_all_but_judging_without_torch(core):
    assert "ModuleNotFoundError" in core.python("import torch").stderr
    asked = core("collect", *TASK, "--model", f"replay:{REPLIES}", "--samples", "2")
    assert (asked.returncode, asked.stdout.split(" replies")[0]) == (0, "2 of 2"), asked.stderr
    assert core("leaderboard").returncode == 0
    assert core("report").stdout == "report.html\n"
    assert "<html" in (core.work / "report.html").read_text()
    assert core("check", REPLIES / "a_1.md", "--problem", "cumsum_exclusive").returncode == 0
    assert core("doctor").returncode == 0


def test_core_says_what_judging_needs(core):
    done = core("eval", REPLIES / "a_1.md", "--problem", "cumsum_exclusive")
    assert (done.returncode, done.stdout) == (4, "")
    assert "pip install 'kernel-harness[eval]'" in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="runners need Linux")
def test_installed_judge_judges_beside_folders_of_the_same_names(full):
    for name in ("eval", "harness", "prompts"):
        (full.work / name).mkdir()
        (full.work / name / "__init__.py").write_text("raise SystemExit('a stranger was imported')")
    done = full("eval", REPLIES / "a_1.md", "--problem", "cumsum_exclusive", "--device", "cpu", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "passed"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_demo_from_nothing_and_again(source):
    """Installs for real, so it needs a package index."""
    before = {path.name for path in source.iterdir()}
    env = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    first = run(["make", "demo"], cwd=source, env=env)
    assert "pip install" in first.stdout
    assert first.stdout.splitlines()[-1] == "demo/report.html"
    assert "<html" in (source / "demo/report.html").read_text()
    assert (source / "demo/prompt.txt").read_bytes() == GOLDEN.read_bytes()
    assert {path.name for path in source.iterdir()} - before <= {".venv", "demo"}
    again = run(["make", "demo"], cwd=source, env=env)
    assert "pip install" not in again.stdout
