"""The one output file of a backup: made under a partial name, written member by member, published when whole."""

from __future__ import annotations

import errno
import posixpath
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from attrs import define, field

from hermes_backup_core.archive.outer import MemberSink, OuterTar
from hermes_backup_core.domain.errors import NoRoom
from hermes_backup_core.domain.figures import size
from hermes_backup_core.domain.manifest import ArchiveEntry
from hermes_backup_core.domain.naming import BackupName
from hermes_backup_core.ports import Clock, Files

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@define
class Member:
    """A member under way, and what is known of it when it is through; ``seconds`` is how long it took."""

    name: str
    sink: MemberSink
    content_bytes: int = 0
    entries: int | None = None
    seconds: float = 0.0

    @property
    def entry(self) -> ArchiveEntry:
        """What the manifest says of it."""
        record = self.sink.record
        return ArchiveEntry(record.sha256, record.size_bytes, self.entries, self.content_bytes)


@define
class Output:
    """The file ``<folder>/<name>.partial`` under way. ``members`` are those that are through.

    ``size_bytes`` is that of the whole file, once it is published.
    """

    folder: str
    name: BackupName
    files: Files
    clock: Clock
    members: list[Member] = field(factory=list, init=False)
    size_bytes: int = field(default=0, init=False)
    _file: BinaryIO | None = field(default=None, init=False)
    _tar: OuterTar = field(init=False)

    @property
    def partial(self) -> str:
        """Where the file lies until it is whole."""
        return posixpath.join(self.folder, self.name.partial)

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Make the file, and close it after the body, whatever that does; a full disk becomes `NoRoom`."""
        try:
            with self.files.create(self.partial) as self._file:
                self._tar = OuterTar(self._file, mtime=int(self.name.moment.timestamp()))
                yield
        except OSError as err:
            if err.errno not in _FULL:
                raise
            raise NoRoom(self.folder, size(sum(member.sink.size_bytes for member in self.members))) from err

    @contextmanager
    def member(self, name: str) -> Iterator[Member]:
        """Give the member ``name`` to write; it counts as one of ``members`` when the body is through."""
        began = self.clock.monotonic()
        with self._tar.member(name) as sink:
            member = Member(name, sink)
            yield member
        member.seconds = self.clock.monotonic() - began
        self.members.append(member)

    def publish(self, manifest: bytes, name: BackupName, uninterruptible: Callable[[], None]) -> str:
        """Complete the file with its ``manifest``, flush it and give it its final ``name``; return its path.

        From the moment it bears that name the run has succeeded, so ``uninterruptible`` is called before.
        """
        if self._file is None:
            raise ValueError("the output is not open")
        self._tar.finish(manifest)
        # Asked for while a failure can still be one: nothing may go wrong once the file bears its final name.
        self.size_bytes = self.files.size(self.partial)
        final = posixpath.join(self.folder, name.tarball)
        uninterruptible()
        self.files.publish(self._file, self.partial, final)
        return final
