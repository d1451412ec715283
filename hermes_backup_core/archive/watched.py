"""A member of a backup, read once and hashed on the way."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from typing import BinaryIO, final


@final
class WatchedFile(io.RawIOBase):
    """Reads `file` from its beginning, once; `seen` is told of each number of bytes as they are read."""

    def __init__(self, file: BinaryIO, seen: Callable[[int], object]) -> None:
        super().__init__()
        self._file = file
        self._seen = seen
        self._digest = hashlib.sha256()
        self._position = 0

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        data = self._file.read(len(buffer))
        count = len(data)
        memoryview(buffer)[:count] = data
        self._digest.update(data)
        self._position += count
        self._seen(count)
        return count

    def sha256(self) -> str:
        """Return the digest of the whole file, in hexadecimal; what was not read yet is read now."""
        buffer = bytearray(1 << 20)
        while self.readinto(buffer):
            pass
        return self._digest.hexdigest()
