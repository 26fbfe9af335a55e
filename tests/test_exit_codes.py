import subprocess
import sys

import pytest

CALL = "import sys; sys.argv[0] = 'kernel-harness'; from harness import cli; {}; cli.main()"


@pytest.mark.parametrize(
    ("words", "before", "code"),
    [
        (["stages"], "pass", 0),
        (["stages", "no_such_stage"], "pass", 2),
        (["no-such-command"], "pass", 2),
        (["show", "1", "--store", "no/such/store.db"], "pass", 2),
        (["doctor"], "cli.COMMANDS['doctor'] = 'harness.cli.not_written'", 3),
        (["doctor"], "cli.COMMANDS['doctor'] = 'harness.errors'", 3),
    ],
)
def test_exit_code_says_whose_fault_it_is(words, before, code):
    done = subprocess.run(
        [sys.executable, "-c", CALL.format(before), *words], text=True, capture_output=True, check=False
    )
    assert done.returncode == code, done.stderr
    assert ("this is a bug" in done.stderr) == (code == 3)
    assert (not done.stdout) == (code != 0)
