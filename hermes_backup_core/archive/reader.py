"""A backup tarball, ours or the shell scripts', read where it lies."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType, TracebackType
from typing import BinaryIO, final

from attrs import frozen

from hermes_backup_core.archive.tar_stream import BLOCK
from hermes_backup_core.domain.errors import HermesBackupError
from hermes_backup_core.domain.paths import shown
from hermes_backup_core.domain.scope import MANIFEST_MEMBER

_READ_BYTES = 1 << 20
_LONGEST_MANIFEST = 16 << 20


@frozen
class NotABackup(HermesBackupError):
    """The file is no backup tarball at all."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{shown(self.path)} is no backup: {self.reason}. Give -F the .tar that a backup made."


@frozen
class DamagedBackup(HermesBackupError):
    """The file began as a backup tarball, and is not whole or not as a backup is made."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{shown(self.path)} is damaged: {self.reason}. Copy it here again, or take another."


@frozen
class Member:
    """Where a member's data lies in the tarball; in bytes."""

    name: str
    offset: int
    size_bytes: int


@final
class BackupReader:
    """Open the backup tarball at `path` and find its members; a context manager.

    Members go by their names without a leading `./`. Nothing is copied out: each is read where it lies.
    Raises `NotABackup`, `DamagedBackup`, or `OSError` where the file cannot be opened or read.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._file = open(path, "rb")  # noqa: SIM115 - closed by close(), as the class is a context manager
        try:
            self._check_beginning()
            self.members: Mapping[str, Member] = MappingProxyType(self._find_members())
        except BaseException:
            self._file.close()
            raise

    def manifest_bytes(self) -> bytes:
        """Return the manifest as it lies there, trailing blanks included."""
        if self.members[MANIFEST_MEMBER].size_bytes > _LONGEST_MANIFEST:
            raise DamagedBackup(self._path, f"its {MANIFEST_MEMBER} is too long to be one")
        with self.open_member(MANIFEST_MEMBER) as file:
            return file.read()

    def open_member(self, name: str) -> BinaryIO:
        """Return a file, to be read and sought in, of the data of the member `name`; raises `KeyError`.

        Several may be open at once, in several threads; none outlives the reader.
        """
        member = self.members[name]
        return io.BufferedReader(_Slice(self._file.fileno(), member.offset, member.size_bytes), _READ_BYTES)

    def digest(self, name: str, progress: Callable[[int], object] | None = None) -> str:
        """Return the SHA-256 of the member `name`, in hexadecimal; `progress` is told of bytes read."""
        digest = hashlib.sha256()
        with self.open_member(name) as file:
            while data := file.read(_READ_BYTES):
                digest.update(data)
                if progress:
                    progress(len(data))
        return digest.hexdigest()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> BackupReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _check_beginning(self) -> None:
        beginning = self._file.read(BLOCK)
        self._file.seek(0)
        if not beginning:
            raise NotABackup(self._path, "it is empty")
        if beginning.startswith(b"\x1f\x8b"):
            raise NotABackup(self._path, "it is compressed, and a backup is a plain tar of compressed members")
        if beginning[257:262] != b"ustar":
            raise NotABackup(self._path, "it is no tar file")

    def _find_members(self) -> dict[str, Member]:
        members: dict[str, Member] = {}
        try:
            with tarfile.open(fileobj=self._file, mode="r:") as tar:
                for member in self._sound_members(tar):
                    if member.name in members:
                        raise DamagedBackup(self._path, f"it holds {shown(member.name)} twice")
                    members[member.name] = member
                self._check_end(tar.offset)
        except tarfile.TarError as err:
            raise DamagedBackup(self._path, f"it breaks off or is garbled ({err})") from err
        if MANIFEST_MEMBER not in members:
            raise NotABackup(self._path, f"it holds no {MANIFEST_MEMBER}")
        return members

    def _sound_members(self, tar: tarfile.TarFile) -> Iterator[Member]:
        for info in tar:
            if info.isdir() and info.name in (".", ""):
                continue
            name = info.name.removeprefix("./")
            if info.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or info.issparse() or "/" in name:
                raise DamagedBackup(self._path, f"it holds {shown(info.name)}, which no backup does")
            yield Member(name, info.offset_data, info.size)

    def _check_end(self, offset: int) -> None:
        """`tarfile` takes garbage and a file's sudden end for the end of the archive."""
        self._file.seek(offset)
        if self._file.read(BLOCK) != bytes(BLOCK):
            raise DamagedBackup(self._path, "it breaks off before the end of the archive")


class _Slice(io.RawIOBase):
    """A part of an open file, with a position of its own."""

    def __init__(self, descriptor: int, offset: int, size: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._offset = offset
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError(f"cannot seek to {base + offset}")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        wanted = max(0, min(len(buffer), self._size - self._position))
        got = os.preadv(self._descriptor, [memoryview(buffer)[:wanted]], self._offset + self._position)
        self._position += got
        return got
