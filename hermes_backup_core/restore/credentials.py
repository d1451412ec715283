"""The credential files of an install root: who may log into MariaDB, and with which password."""

from __future__ import annotations

import posixpath

from attrs import frozen

from hermes_backup_core.domain.paths import join
from hermes_backup_core.domain.scope import Tier
from hermes_backup_core.domain.swap import HIDDEN, Side
from hermes_backup_core.ports import Files

FOLDER = "config/hermes/opt/hermes/creds"
"""Where the files lie below the install root."""

_ROOT = "mysql_root_password"
_USER, _PASSWORD = "_username", "_password"


@frozen
class Credentials:
    """The credential files below ``root``, an install root or a staged copy of one."""

    root: str
    files: Files

    def users(self) -> dict[str, str]:
        """Return each user that has a password here, with it."""
        names = self._names()
        pairs = [name.removesuffix(_USER) for name in sorted(names) if name.endswith(_USER)]
        found = {self._read(pair + _USER): self._read(pair + _PASSWORD) for pair in pairs if pair + _PASSWORD in names}
        return {user: password for user, password in found.items() if user and password}

    def root_password(self) -> str | None:
        """Return the password of MariaDB's root, or None where none is given."""
        return (self._read(_ROOT) or None) if _ROOT in self._names() else None

    def _names(self) -> frozenset[str]:
        try:
            return self.files.names(join(self.root, FOLDER))
        except (FileNotFoundError, NotADirectoryError):
            return frozenset()

    def _read(self, name: str) -> str:
        content = self.files.read(posixpath.join(self.root, FOLDER, name))
        return content.decode("utf-8", "surrogateescape").rstrip("\r\n")


def root_passwords(root: str, files: Files) -> tuple[str, ...]:
    """Return every password that root may have while a restore is under way: the host's, the backup's, the old one."""
    hidden = join(root, HIDDEN + Tier.CONFIG.value)
    places = (root, join(hidden, Side.STAGED.value), join(hidden, Side.KEPT.value))
    found = (_root_password(Credentials(place, files)) for place in places)
    return tuple(dict.fromkeys(password for password in found if password))


def _root_password(credentials: Credentials) -> str | None:
    """Return the password of root there, or None where it cannot be had: another one may do."""
    try:
        return credentials.root_password()
    except OSError:
        return None
