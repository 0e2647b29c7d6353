"""What a user or a host can act on. Anything that is not a DeployError is a bug and ends with a traceback."""

from enum import IntEnum


class ExitCode(IntEnum):
    """How every command ends; `docs/reference/exit-codes.md` says what each means to a script."""

    OK = 0
    BUG = 1
    USAGE = 2
    SPEC = 3
    PREFLIGHT = 4
    WEIGHTS = 5
    ENGINE = 6
    VERIFY = 7
    INTERRUPTED = 130


class DeployError(Exception):
    """What went wrong, what to do about it, and the evidence."""

    exit_code: ExitCode = ExitCode.BUG

    def __init__(self, message: str, *, hint: str = "", details: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = details


class UsageError(DeployError):
    """The command line itself is off: flags that exclude each other, a file that is not there."""

    exit_code = ExitCode.USAGE


class SpecError(DeployError):
    """What was asked for cannot be understood: an unknown key, a wrong type, an impossible value."""

    exit_code = ExitCode.SPEC


class PreflightError(DeployError):
    """It would not work here now: a check failed, or someone else holds the deployment."""

    exit_code = ExitCode.PREFLIGHT


class EngineError(DeployError):
    """The engine did not start, died, or cannot be reached."""

    exit_code = ExitCode.ENGINE


class VerifyError(DeployError):
    """The service answers, but not as it should."""

    exit_code = ExitCode.VERIFY


class UserInterruptError(DeployError):
    """Ctrl-C or SIGTERM: what had been started was stopped again."""

    exit_code = ExitCode.INTERRUPTED
