"""The archive of the dumps, written in place: a gzipped tar whose headers can still be patched.

A tar entry needs its size before its data, and the size of a dump is known only at its end. A gzip file
may be a chain of gzip members, which readers join (RFC 1952, section 2.2). So each tar header is a gzip
member of its own, made of one stored deflate block (RFC 1951, section 3.2.4): its length is fixed and its
bytes lie there in the clear, to be overwritten when the dump is through.
"""

from __future__ import annotations

import contextlib
import gzip
import zlib
from collections.abc import Iterator
from types import TracebackType
from typing import Protocol, final

from hermes_backup_core.archive.gzip_stream import TEXT_LEVEL, GzipStream
from hermes_backup_core.archive.outer import header
from hermes_backup_core.archive.tar_stream import BLOCK, end_marker, padding

_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"


class PatchableSink(Protocol):
    """Where the archive goes; bytes can be overwritten and cut off. Offsets count from its first byte."""

    @property
    def size_bytes(self) -> int:
        """How many bytes it holds."""
        ...

    def write(self, data: bytes, /) -> object:
        """Append `data`."""
        ...

    def patch(self, offset: int, data: bytes) -> None:
        """Put `data` over what was written at `offset`."""
        ...

    def truncate(self, offset: int) -> None:
        """Drop all from `offset` on."""
        ...


@final
class DatabasesArchive:
    """Write `./<database>.sql` entries, one after another, as a gzipped tar into `sink`; no spool is needed.

    As a context manager it ends the archive, unless the body raised. `mtime` is in seconds since 1970.
    """

    def __init__(self, sink: PatchableSink, *, mtime: int, level: int = TEXT_LEVEL, threads: int | None = None) -> None:
        self._sink = sink
        self._mtime = mtime
        self._level = level
        self._threads = threads
        self._tar_bytes = 0
        self.content_bytes = 0
        self.entries = 0

    @contextlib.contextmanager
    def dump(self, database: str) -> Iterator[GzipStream]:
        """Give a stream for the text of one dump; after an exception nothing of it is left."""
        begin = self._sink.size_bytes
        try:
            self._sink.write(self._header(database, 0))
            with GzipStream(self._sink, self._level, threads=self._threads) as stream:
                yield stream
            self._complete(database, begin, stream.bytes_in)
        except BaseException:
            # The first cause is what matters; where cutting fails too, the member as a whole is cut off.
            with contextlib.suppress(OSError):
                self._sink.truncate(begin)
            raise

    def finish(self) -> None:
        """End the archive."""
        self._sink.write(gzip.compress(end_marker(self._tar_bytes), mtime=0))

    def __enter__(self) -> DatabasesArchive:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.finish()

    def _complete(self, database: str, begin: int, size: int) -> None:
        if fill := padding(size):
            self._sink.write(gzip.compress(bytes(fill), mtime=0))
        self._sink.patch(begin, self._header(database, size))
        self._tar_bytes += BLOCK + size + padding(size)
        self.content_bytes += size
        self.entries += 1

    def _header(self, database: str, size: int) -> bytes:
        return stored(header(f"./{database}.sql", size, self._mtime))


def stored(data: bytes) -> bytes:
    """Return `data`, at most 65,535 bytes, as a gzip member with nothing compressed: 23 bytes longer."""
    length = len(data).to_bytes(2, "little")
    complement = (len(data) ^ 0xFFFF).to_bytes(2, "little")
    trailer = zlib.crc32(data).to_bytes(4, "little") + len(data).to_bytes(4, "little")
    return _GZIP_HEADER + b"\x01" + length + complement + data + trailer
