"""`--pin` and `--unpin`: the file beside a backup that keeps it for good, whatever retention says."""

from __future__ import annotations

import os

from attrs import frozen

from hermes_backup_core.archive.backup_file import read_backup
from hermes_backup_core.domain.errors import HermesBackupError
from hermes_backup_core.domain.naming import PIN
from hermes_backup_core.domain.paths import shown


@frozen
class NothingToPin(HermesBackupError):
    """``--pin`` or ``--unpin`` names no file."""

    flag: str
    path: str

    def __str__(self) -> str:
        return f"{self.flag} {shown(self.path)} is not there or is no file: give it the path of a backup's tarball"


def pin(path: str, *, dry_run: bool) -> str:
    """Pin the backup at ``path``, which must be a whole one; return what was done."""
    backup, beside = _places(path)
    if not os.path.isfile(backup):
        raise NothingToPin("--pin", path)
    read_backup(backup)
    if os.path.lexists(beside):
        return f"{shown(backup)} is pinned already, by {shown(beside)}"
    if not dry_run:
        os.close(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    return f"{shown(beside)} {_is(dry_run)} made: no retention removes the backup any more"


def unpin(path: str, *, dry_run: bool) -> str:
    """Take the pin of the backup at ``path`` away; return what was done."""
    backup, beside = _places(path)
    if os.path.lexists(beside):
        if not dry_run:
            os.unlink(beside)
        return f"{shown(beside)} {_is(dry_run)} removed: the backup is not pinned any more"
    if not os.path.isfile(backup):
        raise NothingToPin("--unpin", path)
    return f"{shown(backup)} is not pinned: there is no {shown(beside)}"


def _places(path: str) -> tuple[str, str]:
    """Return where the backup really lies, since retention looks beside it there, and its pin."""
    backup = os.path.realpath(path)
    return backup, f"{backup}{PIN}"


def _is(dry_run: bool) -> str:  # noqa: FBT001 - it is the one argument
    return "would be" if dry_run else "is"
