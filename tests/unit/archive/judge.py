"""GNU tar and gzip as judges of what we write, and files that fail as real ones do."""

from __future__ import annotations

import errno
import io
import subprocess
import threading
from pathlib import Path


def tar(*arguments: str | Path, stdin: bytes | None = None) -> bytes:
    """What GNU tar writes to stdout; any complaint is a failure."""
    done = subprocess.run(["tar", *arguments], input=stdin, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b""), done.stderr
    return done.stdout


def gzip_test(data: bytes) -> None:
    """Fails unless gzip finds `data` whole."""
    subprocess.run(["gzip", "-t"], input=data, check=True, capture_output=True)


def gzip_threads() -> list[str]:
    """The compressing threads that are alive."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("gzip")]


class FullDisk(io.BytesIO):
    """A file on a disk with room for so many bytes."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room

    def write(self, data: object, /) -> int:
        if self.tell() + memoryview(data).nbytes > self.room:  # type: ignore[arg-type]
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(data)  # type: ignore[arg-type]


class ShortWrites(io.BytesIO):
    """A file that takes at most 100 bytes at a time, as an unbuffered one may."""

    def write(self, data: object, /) -> int:
        return super().write(memoryview(data).cast("B")[:100])  # type: ignore[arg-type]
