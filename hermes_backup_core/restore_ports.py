"""What a restore asks of the world beyond `ports`, as Protocols: folders, schemas and accounts as it changes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from hermes_backup_core.domain.contents import Loaded
from hermes_backup_core.domain.restore_record import RestoreRecord


class Trees(Protocol):
    """The host's folders as a restore changes them. Paths are absolute; no method follows a link at their end."""

    def exists(self, path: str) -> bool:
        """Whether anything is called ``path``, a dangling link included."""
        ...

    def is_folder(self, path: str) -> bool:
        """Whether ``path`` is a folder itself, not a link to one."""
        ...

    def names(self, path: str) -> frozenset[str]:
        """Return the names of the entries of the folder ``path``; none where there is no such folder."""
        ...

    def mount_points(self, path: str) -> tuple[str, ...]:
        """Return the mount points below the folder ``path``, less itself."""
        ...

    def make_folder(self, path: str) -> None:
        """Make the folder ``path`` and those above it that are missing, for root alone; fine where it is there."""
        ...

    def rename(self, path: str, target: str) -> None:
        """Give ``path`` the name ``target`` on the same file system; raises `OSError` where that is taken."""
        ...

    def replace(self, path: str, target: str, aside: str) -> None:
        """Put the file ``path`` where ``target`` is, which is never missing and goes on as ``aside``.

        May be called again after it was broken off anywhere.
        """
        ...

    def shape_like(self, path: str, pattern: str) -> None:
        """Give the folder ``path`` the owner, mode, ACL, extended attributes and times of the folder ``pattern``."""
        ...

    def own_like(self, folder: str, pattern: str) -> None:
        """Give every file in ``folder`` the owner and mode of the file ``pattern``."""
        ...

    def write(self, path: str, content: bytes) -> None:
        """Put ``content`` into the existing file ``path``, whose owner and mode stay, and flush it."""
        ...

    def flush(self, path: str) -> None:
        """Bring all that was done on the file system of ``path`` to its disk."""
        ...

    def remove(self, path: str) -> None:
        """Remove ``path`` with all below it; fine where there is nothing. Never leaves its file system."""
        ...


class TierTarget(Protocol):
    """What unpacks a tier's archive, and brings a tier in line with a copy of it."""

    def problem(self) -> str | None:
        """Return why tiers cannot be unpacked on this host, or None where they can."""
        ...

    def unpack(self, chunks: Iterable[bytes], folder: str, *, excluded: Sequence[str] = (), below: str = "") -> None:
        """Unpack the tar stream ``chunks`` into the existing ``folder``, nothing lost, less ``excluded``.

        ``excluded`` are names as the archive has them, with all below. With ``below`` only what lies below
        that folder of the archive is unpacked, as if it were its top. Raises `HermesBackupError`.
        """
        ...

    def sync_problem(self) -> str | None:
        """Return why no tier can be brought in line with a copy on this host, or None where one can."""
        ...

    def sync(self, folder: str, target: str, *, stays: Sequence[str] = ()) -> None:
        """Make what lies in ``target`` equal to ``folder``, by copying; ``stays`` (absolute) are left as they are."""
        ...


class SchemaSwap(Protocol):
    """The six databases on the server, as a restore changes them; each method may be called again after a break.

    A database's loaded copy and its old one lie in schemas of their own, beside it. Raises `HermesBackupError`.
    """

    def present(self) -> tuple[str, ...]:
        """Return those of the six that are on the server."""
        ...

    def leftovers(self) -> tuple[str, ...]:
        """Return the schemas on the server that only a restore makes."""
        ...

    def stage(self, database: str, defaults: str, chunks: Iterable[bytes]) -> None:
        """Load ``chunks``, tables and rows, into the schema beside ``database``.

        ``defaults`` are its character set and collation, as CREATE DATABASE has them.
        """
        ...

    def check(self, database: str, tables: frozenset[str]) -> None:
        """Raise where the loaded copy lacks one of ``tables``."""
        ...

    def keep(self, databases: Sequence[str]) -> bytes:
        """Return a dump without rows of those of ``databases`` that are there: all that a swap destroys."""
        ...

    def defaults(self, databases: Sequence[str]) -> dict[str, str]:
        """Return the character sets and collations of those of ``databases`` that are there, as `stage` wants them."""
        ...

    def exchange(self, loaded: Sequence[Loaded]) -> None:
        """Exchange the live tables for the staged ones, then make views, triggers, routines and events."""
        ...

    def go_back(self, databases: Mapping[str, str], programs: Iterable[bytes]) -> None:
        """Put the old tables back, with ``programs`` as `keep` gave them (USE lines in it); drop what was not there.

        ``databases`` are all that a swap may have touched, with their defaults before, empty where there was none.
        """
        ...

    def forget(self, databases: Sequence[str]) -> None:
        """Remove the loaded and the old copies."""
        ...

    def missing_definers(self, databases: Sequence[str]) -> tuple[str, ...]:
        """Return a sentence for each view or program that would fail at its first use, as its definer is not there."""
        ...


class AccountSwap(Protocol):
    """The server's accounts, as a restore changes them; each method may be called again after a break."""

    def keep(self) -> None:
        """Keep every account and right as it is now; a copy that is there already is the one to keep."""
        ...

    def apply(self, sql: bytes) -> None:
        """Make the accounts of a backup's own list."""
        ...

    def fit(self, credentials: Mapping[str, str], root_password: str | None) -> tuple[str, ...]:
        """Let each user of ``credentials`` in with the password there, and root with its own; return what was set."""
        ...

    def go_back(self) -> None:
        """Put every account and right back as `keep` found them; nothing where there is no copy."""
        ...

    def forget(self) -> None:
        """Remove the copy."""
        ...


class RestoreJournal(Protocol):
    """Where a restore keeps, on disk, what it is about to do and what an undo needs."""

    def read(self) -> RestoreRecord | None:
        """Return what a restore that never ended left, or None."""
        ...

    def write(self, record: RestoreRecord) -> None:
        """Keep ``record``, on the disk before this returns."""
        ...

    def keep(self, name: str, content: bytes) -> None:
        """Keep ``content`` as ``name`` beside the record, on the disk before this returns."""
        ...

    def kept(self, name: str) -> bytes | None:
        """Return what was kept as ``name``, or None."""
        ...

    def clear(self) -> None:
        """Forget the record and all that was kept."""
        ...
