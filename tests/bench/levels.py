"""Which level of compression suits which content: size as a multiple of `gzip -6`, and speed on one core."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from hermes_backup_core.archive.gzip_stream import GzipStream
from tests.bench.samples import mail_sample, short_mail_sample, sql_sample

_SAMPLE_BYTES = 40_000_000
_LIBRARIES = "/usr/lib"
_LEVELS = (0, 1, 2, 3)


class _Count:
    """A sink that only counts."""

    def __init__(self) -> None:
        self.size = 0

    def write(self, data: bytes, /) -> None:
        self.size += len(data)


def study() -> Iterator[str]:
    """Yield the table, line by line."""
    yield f"{'':24}{'gzip -6':>9}" + "".join(f"{f'level {level}':>20}" for level in _LEVELS)
    for name, data in _contents():
        reference = _gzip_size(data)
        cells = (f"{size / reference:10.3f} {speed / 1e6:4.0f} MB/s" for size, speed in _levels(data))
        yield f"{name:24}{reference / len(data):9.3f}" + "".join(f"{cell:>20}" for cell in cells)


def _contents() -> Iterator[tuple[str, bytes]]:
    yield "mail with attachments", mail_sample(_SAMPLE_BYTES)
    yield "mail in words", short_mail_sample(_SAMPLE_BYTES)
    yield "SQL text", sql_sample(_SAMPLE_BYTES)
    yield "programs of this host", _files(Path(_LIBRARIES), _SAMPLE_BYTES)


def _files(folder: Path, size: int) -> bytes:
    made = bytearray()
    for path in sorted(folder.rglob("*.so*")):
        if path.is_file() and len(made) < size:
            made += path.read_bytes()
    return bytes(made[:size])


def _levels(data: bytes) -> Iterator[tuple[int, float]]:
    for level in _LEVELS:
        sink, began = _Count(), time.process_time()
        with GzipStream(sink, level, threads=1) as stream:
            stream.write(data)
        yield sink.size, len(data) / (time.process_time() - began)


def _gzip_size(data: bytes) -> int:
    return len(subprocess.run(["gzip", "-6"], input=data, capture_output=True, check=True).stdout)
