"""``python -m harness``: the command line where it is not installed as a command."""

from harness.cli import main

main()
