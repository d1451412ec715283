"""The content of a gzip file, read to its very last byte."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, cast

from attrs import frozen
from isal import igzip, isal_zlib

from hermes_backup_core.domain.errors import HermesBackupError

_INVALID = cast("type[Exception]", isal_zlib.error)  # its stub says that it is an instance


@frozen
class GarbledGzip(HermesBackupError):
    """What should be a gzip file is none, or is not whole."""

    reason: str

    def __str__(self) -> str:
        return f"the gzip data is damaged ({self.reason}): copy the backup here again, or take another"


def inflated(file: BinaryIO, chunk_bytes: int = 1 << 20) -> Iterator[bytes]:
    """Yield the content of ``file``, a chain of gzip members that are one text, in chunks of any size.

    Zeros between and behind the members are passed over, as gzip does. Raises `GarbledGzip` where anything
    else is wrong, after what came before it; `OSError` where the file cannot be read.
    """
    begin = file.tell()
    with igzip.IGzipFile(fileobj=file, mode="rb") as content:  # type: ignore[no-untyped-call]
        while chunk := _next(content, chunk_bytes):
            yield chunk
    # To the library an empty file is a chain of no members; to gzip it is a truncated one.
    if file.tell() == begin:
        raise GarbledGzip("it is empty")


def _next(content: igzip.IGzipFile, chunk_bytes: int) -> bytes:
    try:
        return content.read(chunk_bytes)
    except EOFError as err:
        raise GarbledGzip("it breaks off") from err
    except (igzip.BadGzipFile, _INVALID) as err:
        raise GarbledGzip(str(err)) from err
