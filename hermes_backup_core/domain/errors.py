"""The one family of errors: each is named for the rule that broke, and reads as what to do next."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen


class HermesBackupError(Exception):
    """Base of every error that this library raises; ``str()`` is the text that the operator reads."""


@frozen
class Refused(HermesBackupError):
    """The host is not fit for what was asked; nothing was changed. All the reasons, not just the first."""

    reasons: tuple[str, ...]

    def __str__(self) -> str:
        if len(self.reasons) == 1:
            return self.reasons[0]
        return f"{len(self.reasons)} things stand in the way:\n" + "\n".join(f"  - {r}" for r in self.reasons)


@frozen
class CommandFailed(HermesBackupError):
    """A program ended with an exit code that does not count as success, or could not be run at all.

    ``exit_code`` is negative where a signal ended it, as `subprocess` counts.
    """

    argv: tuple[str, ...]
    exit_code: int
    stderr: str

    def __str__(self) -> str:
        how = f"signal {-self.exit_code}" if self.exit_code < 0 else f"exit code {self.exit_code}"
        said = last_lines(self.stderr, 5) or "it said nothing"
        return f"`{' '.join(self.argv)}` ended with {how}: {said}"


class StackUnreachable(HermesBackupError):
    """The stack cannot be looked at."""


@frozen
class ComposeUnusable(StackUnreachable):
    """Compose v2 is not there, or cannot make sense of the install root."""

    root: str
    reason: str

    def __str__(self) -> str:
        return (
            f"Compose cannot read the stack in {self.root} ({self.reason}): run `docker compose config` there, and "
            "mend what it names"
        )


@frozen
class EngineUnreachable(StackUnreachable):
    """The Docker engine does not answer, or not to this user."""

    reason: str

    def __str__(self) -> str:
        return (
            f"the Docker engine does not answer ({self.reason}): check that it runs (`docker info`) and that you may "
            "use it"
        )


@frozen
class DumpFailed(HermesBackupError):
    """A database could not be dumped, or what came out is not a whole dump of it."""

    database: str
    reason: str

    def __str__(self) -> str:
        return (
            f"the dump of database {self.database} failed: {self.reason}. "
            "Look at `docker logs hermes_db_server` and mend the database, then run the backup again."
        )


@frozen
class DirectoryExportFailed(HermesBackupError):
    """The LDAP directory could not be exported, or what came out holds no entry."""

    reason: str

    def __str__(self) -> str:
        return f"the LDAP export failed: {self.reason}. Look at `docker logs hermes_ldap`, then run the backup again."


@frozen
class NoRoom(HermesBackupError):
    """The output's file system ran full, although the estimate had said that there is room."""

    folder: str
    written: str

    def __str__(self) -> str:
        return (
            f"no room left in {self.folder} after {self.written}. "
            "Free some space there or choose another -P, then run the backup again."
        )


@frozen
class SnapshotFailed(HermesBackupError):
    """A snapshot could not be made, or does not hold what it should."""

    of: str
    reason: str

    def __str__(self) -> str:
        return (
            f"the snapshot of {self.of} failed: {self.reason}. "
            "Put that right, or run the backup again without --snapshot."
        )


@frozen
class SnapshotLeft(HermesBackupError):
    """A snapshot could not be removed; ``command`` does it by hand."""

    of: str
    reason: str
    command: str

    def __str__(self) -> str:
        return f"a snapshot of {self.of} could not be removed ({self.reason}): run `{self.command}`"


@frozen
class SnapshotsLeft(HermesBackupError):
    """Snapshots could not be removed; ``problems`` has a sentence for each, with what to type."""

    problems: tuple[str, ...]

    def __str__(self) -> str:
        return "; ".join(self.problems)


@frozen
class StackNotRestored(HermesBackupError):
    """The backup is whole, but something that the run had switched off did not come back."""

    problems: tuple[str, ...]

    def __str__(self) -> str:
        return "; ".join(self.problems)


@frozen
class Ended(BaseException):
    """A signal asked the run to end; it unwinds like any other failure.

    No `Exception`, so that nothing which tries again after an error mistakes it for one. ``number`` is the
    signal's, so the exit code is 128 more.
    """

    name: str
    number: int

    def __str__(self) -> str:
        return f"ended by {self.name}. Nothing of this run is left; start it again when you are ready."


def last_lines(text: str, count: int) -> str:
    """Return the last ``count`` lines of ``text`` that are not blank, joined by ``; ``."""
    lines: Sequence[str] = [line.strip() for line in text.splitlines() if line.strip()]
    return "; ".join(lines[-count:])


def reason_of(trouble: HermesBackupError) -> str:
    """Return the last words of the program that failed, or the sentence of ``trouble`` where no program said any."""
    said = last_lines(trouble.stderr, 2) if isinstance(trouble, CommandFailed) else ""
    return said or str(trouble)
