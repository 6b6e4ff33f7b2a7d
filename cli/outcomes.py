"""Why a command ends before it was asked to, in words for the terminal."""

from typing import ClassVar


class EndedError(Exception):
    """The message is all that the user sees: no trace."""

    exit_code: ClassVar[int]


class SetupError(EndedError):
    """The user has something to put right first."""

    exit_code = 2


class BreakdownError(EndedError):
    """What was running, or should have been, cannot go on."""

    exit_code = 1
