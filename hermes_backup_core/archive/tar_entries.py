"""The entries of a tar stream in the order in which they come, every byte of the stream accounted for."""

from __future__ import annotations

import contextlib
import tarfile
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO, TypeVar, cast

from attrs import frozen

from hermes_backup_core.archive.tar_stream import TarMeter, TarStreamError
from hermes_backup_core.domain.errors import HermesBackupError

# tarfile copies what is left of its buffer for each header, so that a large one is slow.
_BUFFER_BYTES = 64 << 10
_READ_BYTES = 1 << 20
_T = TypeVar("_T")
_REGULAR = frozenset({tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE})


@frozen
class GarbledTar(HermesBackupError):
    """What should be a tar archive is none, or is not whole."""

    reason: str

    def __str__(self) -> str:
        return f"the tar data is damaged ({self.reason}): copy the backup here again, or take another"


@frozen
class TarEntry:
    """One entry. Its content must be read before the next entry is asked for."""

    info: tarfile.TarInfo
    _tar: tarfile.TarFile

    @property
    def name(self) -> str:
        """The name as it is stored, less a folder's last slash; bytes that are no text as `os.fsdecode` has them."""
        # Not every Python drops the slash of a long name.
        return self.info.name.rstrip("/") if self.info.isdir() else self.info.name

    @property
    def is_regular(self) -> bool:
        """Whether it is a file with content."""
        return self.info.type in _REGULAR

    @property
    def content_bytes(self) -> int:
        """What the file holds, less its holes."""
        pieces = cast("list[tuple[int, int]] | None", self.info.sparse)
        return self.info.size if pieces is None else sum(length for _, length in pieces)

    def content(self) -> Iterator[bytes]:
        """Yield what the regular file holds; raises as `tar_entries` does."""
        file = self._tar.extractfile(self.info)
        while file and (data := _sound(lambda: file.read(_READ_BYTES))):
            yield data


def tar_entries(chunks: Iterable[bytes]) -> Iterator[TarEntry]:
    """Yield the entries of the tar stream ``chunks``; behind the last one the stream is read to its end.

    Raises `GarbledTar` where no header is where one must be, where the end marker is missing, and where
    anything but zeros follows it. What ``chunks`` raises comes through.
    """
    stream = _Metered(chunks)
    with contextlib.closing(_sound(lambda: _opened(stream))) as tar:
        # In an archive without any entry, Python 3.10 would seek to and fro.
        while tar.offset and (info := _sound(tar.next)):
            yield TarEntry(info, tar)
            tar.members.clear()  # type: ignore[attr-defined] # else all of them are kept in memory
        stream.finish()
        # tarfile takes whatever does not look like a header for the end.
        if tar.offset != stream.meter.body_bytes:
            raise GarbledTar(f"no sound header at byte {tar.offset}")


def _opened(stream: _Metered) -> tarfile.TarFile:
    return tarfile.open(fileobj=cast("BinaryIO", stream), mode="r|", bufsize=_BUFFER_BYTES, errors="surrogateescape")


def _sound(step: Callable[[], _T]) -> _T:
    try:
        return step()
    # Numbers and names in extended headers that are none surface as ValueError.
    except (tarfile.TarError, TarStreamError, ValueError) as err:
        raise GarbledTar(str(err).split(";")[0]) from err


class _Metered:
    """Chunks as a file to be read, with a meter that sees each of them too."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self.meter = TarMeter()
        self._chunks = iter(chunks)
        self._chunk = b""
        self._position = 0
        self._fed = 0

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, none at the end only."""
        while self._position == len(self._chunk):
            chunk = next(self._chunks, None)
            if chunk is None:
                return b""
            self._meter(chunk)
            self._chunk, self._position = chunk, 0
        data = self._chunk[self._position : self._position + size]
        self._position += len(data)
        return data

    def finish(self) -> None:
        """Look at all that is left."""
        while _sound(lambda: self.read(_READ_BYTES)):
            pass
        if not self.meter.ended:
            raise GarbledTar("it breaks off before the end of the archive")

    def _meter(self, chunk: bytes) -> None:
        for _ in self.meter.feed(chunk):
            pass
        begin = self._fed
        self._fed += len(chunk)
        if not self.meter.ended:
            return
        behind = chunk[max(0, self.meter.body_bytes - begin) :]
        if behind.count(0) != len(behind):
            raise GarbledTar("something follows the end of the archive")
