"""Errors that a user is meant to read: what happened, where, and how to mend it; each knows its exit code.

Every room raises these (or lets a programming error pass through); the command line prints them as one line.
Retry decisions live in `transport`, not here.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of the command line (stable)."""

    DONE = 0
    RECORDS_FAILED = 1
    USAGE = 2
    HELD = 3
    STOPPED = 4


class TlHubspotError(Exception):
    """One clear sentence for a person: `what` went wrong, `where`, and how to `mend` it.

    Never put a secret or personal data in any of the three.
    """

    exit_code = ExitCode.STOPPED

    def __init__(self, what: str, *, where: str = "", mend: str = "") -> None:
        self.what, self.where, self.mend = what.rstrip("."), where, mend.rstrip(".")
        super().__init__(self.sentence)

    @property
    def sentence(self) -> str:
        """The whole message on one line."""
        where = f" ({self.where})" if self.where else ""
        mend = f" {self.mend}." if self.mend else ""
        return " ".join(f"{self.what}{where}.{mend}".split())


class ConfigurationError(TlHubspotError):
    """Wrong usage, configuration, mapping or portal set-up: nothing was read or written."""

    exit_code = ExitCode.USAGE


class HeldByGuard(TlHubspotError):
    """The plan is over a limit: nothing was pushed."""

    exit_code = ExitCode.HELD


class Unreachable(TlHubspotError):
    """A system did not answer, or not with anything usable, after all retries."""


class CredentialsRefused(TlHubspotError):
    """A system refused the token, or the token lacks a scope."""


class BadAnswer(TlHubspotError):
    """A system answered something that the program cannot trust (broken JSON, a shape that cannot be right)."""


class WarehouseError(TlHubspotError):
    """The database file is locked, unreadable, of another program or of another version."""
