import os
import subprocess
import sys

import pytest

from harness.cli import COMMANDS

CALL = "import sys; sys.argv[0] = 'kernel-harness'; from harness import cli; {}; cli.main()"


@pytest.mark.parametrize(
    ("words", "before", "code"),
    [
        (["stages"], "pass", 0),
        (["stages", "no_such_stage"], "pass", 2),
        (["no-such-command"], "pass", 2),
        (["show", "1", "--store", "no/such/store.db"], "pass", 2),
        (["not-written"], "cli.COMMANDS['not-written'] = 'A command without a module.'", 3),
        (["progress"], "cli.COMMANDS['progress'] = 'A module without a command.'", 3),
    ],
)
def test_exit_code_says_whose_fault_it_is(words, before, code):
    done = subprocess.run(
        [sys.executable, "-c", CALL.format(before), *words], text=True, capture_output=True, check=False
    )
    assert done.returncode == code, done.stderr
    assert ("this is a bug" in done.stderr) == (code == 3)
    assert (not done.stdout) == (code != 0)


@pytest.mark.parametrize(
    "words", [["gpus", "--json"], ["prompt", "cumsum", "--stage", "seed", "--gpu", "h100"]]
)
def test_a_reader_who_leaves_is_no_failure(words):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as pipe:
        done = subprocess.run(
            [sys.executable, "-c", CALL.format("pass"), *words],
            stdout=pipe, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_another_broken_pipe_is_a_bug_of_ours():
    broken = "def command(): raise BrokenPipeError(32, 'a runner has gone')"
    before = f"import harness.cli.gpus as gpus; exec({broken!r}, vars(gpus))"
    done = subprocess.run(
        [sys.executable, "-c", CALL.format(before), "gpus"], text=True, capture_output=True, check=False
    )
    assert done.returncode == 3
    assert "a runner has gone" in done.stderr


def test_help_lists_every_command_and_imports_none():
    code = (
        "import sys; from harness import cli\n"
        "cli.app(['--help'], standalone_mode=False)\n"
        "print(sorted(name for name in sys.modules if name.startswith('harness.cli.') or name == 'pydantic'))"
    )
    done = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, check=True)
    *page, imported = done.stdout.splitlines()
    listed = [line.split() for line in page[page.index("Commands:") + 1 :]]
    assert [words[0] for words in listed] == list(COMMANDS)
    assert {words[-1][-1] for words in listed} == {"."}
    assert imported == "[]"


@pytest.mark.parametrize(
    ("word", "near"), [("leader-board", "leaderboard"), ("stage", "stages"), ("redteams", "redteam")]
)
def test_a_mistyped_command_is_answered_with_the_nearest(word, near):
    done = subprocess.run(
        [sys.executable, "-c", CALL.format("pass"), word], text=True, capture_output=True, check=False
    )
    assert done.returncode == 2
    assert f"Did you mean '{near}'?" in done.stderr
