"""Our own failures, each with the exit code that a command ends with."""


class HarnessError(Exception):
    """Something that the user can act on; the message says what to do."""

    exit_code = 2


class UsageError(HarnessError):
    """A wrong argument or a data file that does not hold what it must."""


class EnvironmentFailure(HarnessError):
    """The machine, the endpoint or the disk does not give what is needed."""

    exit_code = 4
