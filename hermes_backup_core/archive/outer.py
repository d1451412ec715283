"""The outer tarball: an uncompressed tar whose members are streamed into their final place."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import tarfile
from collections.abc import Iterator
from typing import BinaryIO

from attrs import frozen

from hermes_backup_core.archive.tar_stream import BLOCK, end_marker, padding
from hermes_backup_core.domain.errors import HermesBackupError
from hermes_backup_core.domain.scope import MANIFEST_MEMBER

SLOT_BYTES = 64 << 10

_READ_BYTES = 1 << 20


class ManifestTooLong(HermesBackupError):
    """The manifest does not fit the slot that was kept for it."""

    def __init__(self, size: int, room: int) -> None:
        super().__init__(
            f"the manifest takes {size} bytes and its slot has {room}. "
            "This is a fault of the tool, not of the host: report it."
        )
        self.size = size
        self.room = room


@frozen
class MemberRecord:
    """A member as it was written: what the manifest will say of it."""

    name: str
    size_bytes: int
    sha256: str


class MemberSink:
    """The data of one member under way. Offsets count from the member's first byte.

    `record` is what came of it, once the body of `OuterTar.member` has ended.
    """

    def __init__(self, file: BinaryIO, name: str, start: int) -> None:
        self._file = file
        self._name = name
        self._start = start
        self._digest = hashlib.sha256()
        self._digest_holds = True
        self._record: MemberRecord | None = None
        self.size_bytes = 0

    @property
    def record(self) -> MemberRecord:
        """The member's name, size and digest."""
        if self._record is None:
            raise ValueError(f"{self._name} is still being written")
        return self._record

    def write(self, data: bytes | bytearray | memoryview, /) -> int:
        """Append all of `data`; returns its length in bytes."""
        write_all(self._file, data)
        if self._digest_holds:
            self._digest.update(data)
        size = data.nbytes if isinstance(data, memoryview) else len(data)
        self.size_bytes += size
        return size

    def patch(self, offset: int, data: bytes) -> None:
        """Put `data` over bytes that were written before; the digest is then made by reading back."""
        if not 0 <= offset <= offset + len(data) <= self.size_bytes:
            raise ValueError(f"nothing was written at {offset} to {offset + len(data)} of {self._name}")
        self._digest_holds = False
        self._file.seek(self._start + offset)
        write_all(self._file, data)
        self._file.seek(self._start + self.size_bytes)

    def truncate(self, offset: int) -> None:
        """Drop all from `offset` on; the digest is then made by reading back."""
        if not 0 <= offset <= self.size_bytes:
            raise ValueError(f"{self._name} has {self.size_bytes} bytes, and cannot be cut at {offset}")
        self._digest_holds = False
        self._file.seek(self._start + offset)
        self._file.truncate()
        self.size_bytes = offset

    def finish(self) -> MemberRecord:
        """Make the digest and return what was written; `OuterTar` calls this."""
        digest = self._digest.hexdigest() if self._digest_holds else self._read_back()
        self._record = MemberRecord(self._name, self.size_bytes, digest)
        return self._record

    def _read_back(self) -> str:
        digest = hashlib.sha256()
        self._file.seek(self._start)
        left = self.size_bytes
        while left:
            data = self._file.read(min(left, _READ_BYTES))
            if not data:
                raise OSError(errno.EIO, f"{self._name} reads back shorter than it was written")
            digest.update(data)
            left -= len(data)
        self._file.seek(self._start + self.size_bytes)
        return digest.hexdigest()


class OuterTar:
    """Write the outer tarball into `file`, which can seek and is open to write and to read, at its beginning.

    The first member is a slot for the manifest, which `finish` fills. Members are named without a leading
    `./`, belong to root with mode 0600, and may be longer than 8 GiB. `mtime` is in seconds since 1970.
    Errors of the file (`OSError`) pass through as they are.
    """

    def __init__(self, file: BinaryIO, *, mtime: int, slot_bytes: int = SLOT_BYTES) -> None:
        self._file = file
        self._mtime = mtime
        self._slot_bytes = slot_bytes
        write_all(file, header(MANIFEST_MEMBER, slot_bytes, mtime))
        write_all(file, _filled(b"", slot_bytes) + bytes(padding(slot_bytes)))
        self._end = BLOCK + slot_bytes + padding(slot_bytes)

    @contextlib.contextmanager
    def member(self, name: str) -> Iterator[MemberSink]:
        """Give a sink for the data of the member `name`; after an exception the file ends where it began."""
        try:
            self._file.seek(self._end)
            write_all(self._file, header(name, 0, self._mtime))
            sink = MemberSink(self._file, name, self._end + BLOCK)
            yield sink
            self._complete(sink)
        except BaseException:
            # What cannot be cut off now is overwritten by the next member, or cut off by `finish`.
            with contextlib.suppress(OSError):
                self._file.seek(self._end)
                self._file.truncate()
            raise

    def finish(self, manifest: bytes) -> None:
        """Put `manifest` into its slot, end the archive and flush; raises `ManifestTooLong`."""
        if len(manifest) > self._slot_bytes:
            raise ManifestTooLong(len(manifest), self._slot_bytes)
        self._file.seek(BLOCK)
        write_all(self._file, _filled(manifest, self._slot_bytes))
        self._file.seek(self._end)
        write_all(self._file, end_marker(self._end))
        self._file.truncate()
        self._file.flush()

    def _complete(self, sink: MemberSink) -> None:
        write_all(self._file, bytes(padding(sink.size_bytes)))
        record = sink.finish()
        self._file.seek(self._end)
        write_all(self._file, header(record.name, record.size_bytes, self._mtime))
        self._end += BLOCK + record.size_bytes + padding(record.size_bytes)


def header(name: str, size: int, mtime: int) -> bytes:
    """Return the one block that announces a file of root's, mode 0600; sizes over 8 GiB in base-256."""
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode = size, mtime, 0o600
    info.uname = info.gname = "root"
    block = info.tobuf(tarfile.GNU_FORMAT)
    if len(block) != BLOCK:
        raise ValueError(f"{name!r} is too long a name for one header")
    return block


def write_all(file: BinaryIO, data: bytes | bytearray | memoryview) -> None:
    """Write all of `data`, also where the file is unbuffered and takes less than it is given."""
    written = file.write(data)
    size = data.nbytes if isinstance(data, memoryview) else len(data)
    while written < size:
        written += file.write(memoryview(data).cast("B")[written:])


def _filled(manifest: bytes, size: int) -> bytes:
    blanks = size - len(manifest)
    return manifest + b" " * (blanks - 1) + b"\n" if blanks else manifest
