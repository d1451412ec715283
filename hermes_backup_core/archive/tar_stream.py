"""A tar stream followed in flight: what it holds, and where its end marker begins."""

from __future__ import annotations

from collections.abc import Iterator

from hermes_backup_core.domain.errors import HermesBackupError

BLOCK = 512
RECORD = 20 * BLOCK
"""tar pads an archive to whole records of this size."""

_ZEROS = bytes(BLOCK)
_WITH_CONTENT = frozenset(b"07\0")
_WITHOUT_DATA = frozenset(b"123456")
_PAX = frozenset(b"xg")
_OLD_SPARSE = ord("S")  # its map may go on in blocks of its own; `--format=posix` never writes it
_LONGEST_PAX = 1 << 26


class TarStreamError(HermesBackupError):
    """What should be a tar stream is none."""


def padding(size: int) -> int:
    """Return how many bytes fill `size` up to whole blocks."""
    return -size % BLOCK


def end_marker(position: int) -> bytes:
    """Return the end of an archive whose entries take `position` bytes, filled up to a whole record."""
    return bytes(2 * BLOCK + -(position + 2 * BLOCK) % RECORD)


class TarMeter:
    """Follow a tar stream in chunks of any size: count its entries, and find where its end marker begins.

    Headers alone are looked at; data is skipped by its size. `feed` returns what belongs to the archive
    proper, so that several streams can be joined: a piece of a header that a chunk's end cuts in two is
    held back until it is known not to be the marker. Raises `TarStreamError` where no header is where one
    must be.
    """

    def __init__(self) -> None:
        self.entries = 0
        self.content_bytes = 0
        self.body_bytes = 0
        self.ended = False
        self._skip = 0
        self._held = b""
        self._pax = bytearray()
        self._pax_type = 0
        self._pax_left = 0
        self._next_size: int | None = None
        self._global_size: int | None = None

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Take the next bytes of the stream; yield those that come before the end marker."""
        if self.ended:
            return
        if self._held:
            chunk, self._held = self._held + chunk, b""
        body = self._walk(chunk)
        if body:
            self.body_bytes += body
            yield chunk if body == len(chunk) else chunk[:body]
        if not self.ended:
            self._held = chunk[body:]

    def _walk(self, chunk: bytes) -> int:
        """Return how many bytes of `chunk` are known to come before the end marker."""
        position, length = 0, len(chunk)
        while position < length:
            if self._skip:
                step = min(self._skip, length - position)
                if self._pax_left:
                    self._read_pax(chunk, position, step)
                self._skip -= step
                position += step
            elif length - position < BLOCK:
                break
            elif chunk[position] == 0 and chunk[position : position + BLOCK] == _ZEROS:
                self.ended = True
                break
            else:
                self._read_header(chunk, position)
                position += BLOCK
        return position

    def _read_header(self, chunk: bytes, at: int) -> None:
        if chunk[at + 257 : at + 262] != b"ustar":
            raise TarStreamError("the stream is out of step: no tar header where one must be; run it again")
        kind = chunk[at + 156]
        size = _number(chunk[at + 124 : at + 136])
        if kind in _PAX:
            self._begin_pax(kind, size)
            return
        if self._next_size is not None or self._global_size is not None:
            size = self._next_size if self._next_size is not None else self._global_size or 0
            self._next_size = None
        self._count(kind, size)

    def _count(self, kind: int, size: int) -> None:
        if kind == _OLD_SPARSE:
            raise TarStreamError("the stream holds sparse files of the old GNU kind; use --format=posix")
        if kind not in b"LK":
            self.entries += 1
        if kind in _WITH_CONTENT:
            self.content_bytes += size
        self._skip = 0 if kind in _WITHOUT_DATA else size + padding(size)

    def _begin_pax(self, kind: int, size: int) -> None:
        if size > _LONGEST_PAX:
            raise TarStreamError(f"an extended header of {size} bytes: the stream is damaged; run it again")
        self._pax, self._pax_type, self._pax_left = bytearray(), kind, size
        self._skip = size + padding(size)

    def _read_pax(self, chunk: bytes, at: int, step: int) -> None:
        wanted = min(step, self._pax_left)
        self._pax += chunk[at : at + wanted]
        self._pax_left -= wanted
        if self._pax_left == 0:
            self._end_pax()

    def _end_pax(self) -> None:
        if b" size=" not in self._pax:  # nearly always; where it is there, it may be part of a name
            return
        for keyword, value in pax_records(bytes(self._pax)):
            if keyword == b"size" and self._pax_type == ord("g"):
                self._global_size = int(value) if value else None
            elif keyword == b"size":
                self._next_size = int(value)


def pax_records(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the keywords and values of an extended header: `LENGTH KEYWORD=VALUE\\n`, the length its own."""
    position = 0
    while position < len(data):
        try:
            length = int(data[position : data.index(b" ", position)])
            record = data[position : position + length]
            keyword, value = record[record.index(b" ") + 1 : -1].split(b"=", 1)
        except ValueError as err:
            raise TarStreamError("an extended header of the stream is damaged; run it again") from err
        if not record.endswith(b"\n"):
            raise TarStreamError("an extended header of the stream is damaged; run it again")
        yield keyword, value
        position += length


def _number(field: bytes) -> int:
    """Return a header's number: octal digits, or base-256 behind a first byte of 0x80."""
    if field[0] & 0x80:
        return int.from_bytes(field[1:], "big")
    try:
        return int(field.rstrip(b"\0 ") or b"0", 8)
    except ValueError as err:
        raise TarStreamError("a header of the stream is damaged; run it again") from err
