"""What the library asks of the world, as Protocols: the stack, files, mail, the clock, and who watches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import BinaryIO, Protocol

from hermes_backup_core.domain.contents import Loaded
from hermes_backup_core.domain.host import ComposeProject, Container, Room, TierSize
from hermes_backup_core.domain.notice import Notice
from hermes_backup_core.domain.record import RunRecord
from hermes_backup_core.domain.restore_record import RestoreRecord
from hermes_backup_core.domain.selection import PackReport, TierSelection

_NOTHING: Mapping[str, str] = {}


class Stack(Protocol):
    """The containers of one install root. Every method raises `CommandFailed` where the engine refuses."""

    def containers(self) -> tuple[Container, ...]:
        """Return every container of the project, running or not, less one-off ones."""
        ...

    def project(self) -> ComposeProject:
        """Return Compose's resolved configuration: the project's name and its volumes' folders."""
        ...

    def stop(self, containers: Sequence[Container]) -> None:
        """Stop ``containers``, each within its own patience, dependents before what they depend on."""
        ...

    def start(self, containers: Sequence[Container]) -> None:
        """Start ``containers`` and nothing else, in the order of their dependencies."""
        ...

    def run(
        self,
        container: str,
        argv: Sequence[str],
        *,
        user: str | None = None,
        stdin: bytes = b"",
        environ: Mapping[str, str] = _NOTHING,
        to_its_end: bool = False,
    ) -> bytes:
        """Run ``argv`` inside ``container`` and return what it wrote to stdout.

        ``environ`` is added to its environment there, and never stands in an argument. A command runs on when
        nobody waits for it any more; with ``to_its_end`` a signal does not end the waiting.
        """
        ...

    def feed(
        self,
        container: str,
        argv: Sequence[str],
        chunks: Iterable[bytes],
        *,
        environ: Mapping[str, str] = _NOTHING,
    ) -> bytes:
        """Run ``argv`` inside ``container`` with ``chunks`` as its stdin, as they come; return its stdout.

        Where it ends before it has read all, what it said is raised (`CommandFailed`), not the broken pipe. An
        exception of ``chunks`` ends the command and passes through.
        """
        ...

    def run_once(
        self, container: str, argv: Sequence[str], chunks: Iterable[bytes], *, mounts: Mapping[str, str]
    ) -> bytes:
        """Run ``argv`` in a throw-away container of the image of ``container``, which need not run; return stdout.

        It has no network and no mounts but ``mounts``: folders of the host, by where they are inside. ``chunks``
        is its stdin. It is gone afterwards, also after an exception.
        """
        ...

    def configured_by(self, compose_file: bytes, env_file: bytes) -> ComposeProject:
        """Return what Compose would make of the install root with these two files in it; nothing is left there."""
        ...

    def lacking_images(self, project: ComposeProject) -> tuple[str, ...]:
        """Return the images that services of ``project`` run and that the engine does not have."""
        ...

    def create(self, services: Sequence[str]) -> None:
        """Make the containers of ``services`` what Compose's files say now, without starting any.

        No question is answered: where Compose asks one (a volume to be recreated), `CommandFailed` is raised.
        """
        ...

    def stream(self, container: str, argv: Sequence[str], sink: Callable[[bytes], object]) -> None:
        """Run ``argv`` inside ``container`` and hand its stdout to ``sink``, chunk by chunk, as it comes."""
        ...


class Files(Protocol):
    """The host's file systems: looking at tiers, and the one output file."""

    def resolve(self, path: str) -> str:
        """Return ``path`` with all links resolved, whether it exists or not."""
        ...

    def ways(self, path: str) -> tuple[str, ...]:
        """Return every path to the same folder: ``path`` with links resolved, then those through other mounts."""
        ...

    def is_folder(self, path: str) -> bool:
        """Whether ``path`` is a folder, or a link to one."""
        ...

    def is_file(self, path: str) -> bool:
        """Whether ``path`` is a regular file itself, not a link to one."""
        ...

    def names(self, path: str) -> frozenset[str]:
        """Return the names of the entries of the folder ``path``; raises `OSError`."""
        ...

    def read(self, path: str) -> bytes:
        """Return the content of the file ``path``; raises `OSError`."""
        ...

    def unmounted(self, folder: str) -> tuple[str, ...]:
        """Return the mount points at or above or below ``folder`` that `/etc/fstab` promises and that are none now."""
        ...

    def measure(self, selection: TierSelection) -> TierSize:
        """Return what ``selection`` holds now; entries that vanish or refuse meanwhile are passed over."""
        ...

    def room(self, folder: str) -> Room:
        """Return what the file system of ``folder`` has left for root."""
        ...

    def output_problem(self, folder: str) -> str | None:
        """Return why no backup can be written into the existing ``folder``, or None where one can."""
        ...

    def create(self, path: str) -> BinaryIO:
        """Create ``path`` for this user alone, exclusively and not through a link; opened to write and to read."""
        ...

    def publish(self, file: BinaryIO, path: str, final: str) -> None:
        """Flush ``file`` to the disk, rename its ``path`` to ``final`` (never over another), flush the folder."""
        ...

    def size(self, path: str) -> int:
        """Return the bytes of the file ``path``; raises `OSError`."""
        ...

    def remove(self, path: str) -> bool:
        """Remove the file ``path``; return whether there was one."""
        ...


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


class TierSource(Protocol):
    """What reads a tier as one tar stream."""

    def problem(self) -> str | None:
        """Return why tiers cannot be read on this host, or None where they can."""
        ...

    def pack(self, selection: TierSelection, write: Callable[[bytes], object], *, tag: str) -> PackReport:
        """Hand the tar stream of ``selection`` to ``write``; leave out any folder that holds a file ``tag``."""
        ...


class Mailer(Protocol):
    """What sends a notification."""

    def send(self, notice: Notice) -> None:
        """Hand ``notice`` to the mail system; raises `HermesBackupError` where that refuses it."""
        ...


class Clock(Protocol):
    """Time, as the run sees it."""

    def now(self) -> datetime:
        """Return the moment, with its time zone."""
        ...

    def monotonic(self) -> float:
        """Return seconds since some fixed moment, never going back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class Journal(Protocol):
    """Where a run keeps, on disk, what it has switched off; the next run reads it if this one is killed."""

    def read(self) -> RunRecord | None:
        """Return what a run that never ended left, or None."""
        ...

    def write(self, record: RunRecord) -> None:
        """Keep ``record``, on the disk before this returns."""
        ...

    def clear(self) -> None:
        """Forget: the run ended and left nothing."""
        ...


class Reporter(Protocol):
    """Who watches a run: it is told facts, and decides how they are shown."""

    def section(self, title: str) -> None:
        """A new part of the run begins."""
        ...

    def info(self, text: str) -> None:
        """Something happened as planned."""
        ...

    def warn(self, text: str) -> None:
        """Something is not as it should be, and the run goes on."""
        ...

    def progress(self, task: str, total: int | None) -> AbstractContextManager[Callable[[int], None]]:
        """Show a long step of ``total`` bytes while the context lasts; call what it gives with bytes done so far."""
        ...
