"""The one output file, on its way to the disk while it is being written."""

from __future__ import annotations

import ctypes
import io
import os

_FLUSH_EVERY = 16 << 20
_START_WRITING = 2  # SYNC_FILE_RANGE_WRITE of sync_file_range(2)

_LIBC = ctypes.CDLL(None)


class OutputFile(io.FileIO):
    """A file that the kernel writes out as it grows, so that there is little left to flush at its end.

    ``descriptor`` is its own from now on, opened to write and to read.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "r+b")
        self._begun = 0

    def write(self, data: bytes | bytearray | memoryview, /) -> int:  # type: ignore[override]
        """Write ``data``, all of it or less; return how many bytes."""
        written = super().write(data)
        end = self.tell()
        if end - self._begun >= _FLUSH_EVERY:
            _start_writing(self.fileno(), self._begun, end - self._begun)
            self._begun = end
        return written


def _start_writing(descriptor: int, offset: int, length: int) -> None:
    """Let the kernel begin to write the range out; where it will not, the flush at the end does it all."""
    if begin := getattr(_LIBC, "sync_file_range", None):
        begin(ctypes.c_int(descriptor), ctypes.c_longlong(offset), ctypes.c_longlong(length), _START_WRITING)


def opened(path: str) -> OutputFile:
    """Create ``path`` for this user alone, exclusively and not through a link; raises `OSError`."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return OutputFile(os.open(path, flags, 0o600))
