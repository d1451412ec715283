"""What the library asks of the world, as Protocols: the stack, files, mail, the clock, and who watches."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import BinaryIO, Protocol

from hermes_backup_core.domain.host import ComposeProject, Container, Room, TierSize
from hermes_backup_core.domain.notice import Notice
from hermes_backup_core.domain.record import RunRecord
from hermes_backup_core.domain.selection import PackReport, TierSelection
from hermes_backup_core.domain.snapshots import Ground, Snapshot

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

    def create(self, services: Sequence[str], spared: Collection[str] = ()) -> None:
        """Make the containers of ``services`` what Compose's files say now, without starting any.

        Those of the services ``spared`` are neither stopped nor made anew, whoever needs them.
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


class TierSource(Protocol):
    """What reads a tier as one tar stream."""

    def problem(self) -> str | None:
        """Return why tiers cannot be read on this host, or None where they can."""
        ...

    def pack(self, selection: TierSelection, write: Callable[[bytes], object], *, tag: str) -> PackReport:
        """Hand the tar stream of ``selection`` to ``write``; leave out any folder that holds a file ``tag``."""
        ...


class Snapshots(Protocol):
    """Read-only snapshots of the file systems that tiers lie on."""

    def look(self, folder: str) -> Ground:
        """Return what ``folder`` (links resolved) lies on, and whether a snapshot of that can be had."""
        ...

    def take(self, snapshot: Snapshot) -> None:
        """Make ``snapshot``, so that its content can be read at its place; raises `CommandFailed` or `OSError`.

        A snapshot that has to be mounted is so for this thread, and for what it starts, alone.
        """
        ...

    def problem(self, snapshot: Snapshot) -> str | None:
        """Return why what was read from ``snapshot`` cannot be trusted, or None; raises `CommandFailed`."""
        ...

    def remove(self, snapshot: Snapshot) -> bool:
        """Remove ``snapshot``, and return whether there was one; raises `CommandFailed` or `SnapshotsLeft`."""
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
