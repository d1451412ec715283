"""The fakes of the host's files and of what packs a tier."""

from __future__ import annotations

import errno
import io
import posixpath
import re
import tarfile
from collections.abc import Callable
from typing import BinaryIO

from attrs import define, evolve

from hermes_backup_core.domain.errors import CommandFailed
from hermes_backup_core.domain.host import Room, TierSize
from hermes_backup_core.domain.paths import is_within, join, relative
from hermes_backup_core.domain.selection import PackReport, TierSelection
from tests.unit.fakes.host import MemoryHost

CHUNK = 10 << 10
SHAPE = re.compile(r"(\d+):(\d+) (\d+)")


class MemoryFile(io.BytesIO):
    """The output file under way; the disk may run full under it."""

    def __init__(self, host: MemoryHost, path: str) -> None:
        super().__init__()
        self._host = host
        self._path = path

    def write(self, data: bytes | bytearray | memoryview, /) -> int:  # type: ignore[override]
        with self._host.port("file.write"):
            end = self.tell() + memoryview(data).nbytes
            if self._host.full_after is not None and end > self._host.full_after:
                raise OSError(errno.ENOSPC, "No space left on device")
            written = super().write(data)
            self._host.files[self._path] = self.getvalue()
            return written

    def truncate(self, size: int | None = None, /) -> int:
        with self._host.port("file.truncate"):
            size = super().truncate(size)
            self._host.files[self._path] = self.getvalue()
            return size


@define
class MemoryFiles:
    """The file systems of the host."""

    host: MemoryHost

    def resolve(self, path: str) -> str:
        path = path.rstrip("/") or "/"
        for link, target in self.host.links.items():
            if is_within(path, link):
                place = posixpath.normpath(posixpath.join(posixpath.dirname(link), target))
                return self.resolve(join(place, relative(path, link)))
        return path

    def ways(self, path: str) -> tuple[str, ...]:
        found = self.resolve(path)
        return (found, *self.host.bound.get(found, ()))

    def is_folder(self, path: str) -> bool:
        return self.host.is_folder(self.resolve(path))

    def is_file(self, path: str) -> bool:
        return path in self.host.files

    def names(self, path: str) -> frozenset[str]:
        with self.host.port("files.names"):
            return self.host.below(self.resolve(path))

    def read(self, path: str) -> bytes:
        with self.host.port("files.read"):
            try:
                return self.host.files[self.resolve(path)]
            except KeyError as err:
                raise FileNotFoundError(errno.ENOENT, "No such file or directory") from err

    def unmounted(self, folder: str) -> tuple[str, ...]:
        return self.host.unmounted.get(folder, ())

    def measure(self, selection: TierSelection) -> TierSize:
        with self.host.port("files.measure"):
            sizes = [len(self.host.files[path]) for path in _held(self.host, selection)]
            return TierSize(sum(sizes), len(sizes))

    def room(self, folder: str) -> Room:
        return evolve(self.host.room, device=self.host.device_of(self.resolve(folder)))

    def output_problem(self, folder: str) -> str | None:
        return self.host.output_problem

    def create(self, path: str) -> BinaryIO:
        with self.host.port("files.create"):
            if path in self.host.files:
                raise FileExistsError(errno.EEXIST, "File exists")
            self.host.files[path] = b""
            return MemoryFile(self.host, path)

    def publish(self, file: BinaryIO, path: str, final: str) -> None:
        with self.host.port("files.publish"):
            if final in self.host.files:
                raise FileExistsError(errno.EEXIST, "File exists")
            assert isinstance(file, MemoryFile)
            del self.host.files[path]
            self.host.files[final] = file.getvalue()

    def size(self, path: str) -> int:
        with self.host.port("files.size"):
            return len(self.host.files[path])

    def remove(self, path: str) -> bool:
        with self.host.port("files.remove"):
            return self.host.files.pop(path, None) is not None


@define
class MemoryTiers:
    """Packs a tier as a real tar stream, in chunks. ``MemoryHost.packed`` adds to the report of a root."""

    host: MemoryHost

    def problem(self) -> str | None:
        with self.host.port("tiers.problem"):
            return self.host.tar_problem

    def pack(self, selection: TierSelection, write: Callable[[bytes], object], *, tag: str) -> PackReport:
        with self.host.port("tiers.pack"):
            if selection.seen_at and not self.host.is_folder(selection.seen_at):
                raise CommandFailed(("tar", "--create"), 2, f"{selection.seen_at}: No such file or directory")
            selection = evolve(selection, root=selection.place)
            held = {*_held(self.host, selection), *_shaped(self.host, selection)}
            paths = [path for path in sorted(held) if not self._is_tagged(path, tag)]
            stream = _tar(self.host, selection.root, paths)
            for start in range(0, len(stream), CHUNK):
                write(stream[start : start + CHUNK])
            if self.host.pack_trouble:
                raise CommandFailed(("tar", "--create"), 2, self.host.pack_trouble)
            content = sum(len(self.host.files.get(path, b"")) for path in paths)
            return evolve(self.host.packed.get(selection.root, NOTHING), entries=len(paths), content_bytes=content)

    def _is_tagged(self, path: str, tag: str) -> bool:
        folders = (path[:end] for end, char in enumerate(path) if char == "/")
        return any(f"{folder}/{tag}" in self.host.files for folder in folders)


NOTHING = PackReport(0, 0)


def _held(host: MemoryHost, selection: TierSelection) -> list[str]:
    return sorted(path for path in host.files if selection.holds(path))


def _shaped(host: MemoryHost, selection: TierSelection) -> list[str]:
    """Return the folders and links that are packed: on hosts only where somebody cares for their shapes."""
    paths = [path for path in host.shapes if path in host.folders and selection.holds(path)]
    return [*paths, *(path for path in host.links if host.shapes and selection.holds(path))]


def _tar(host: MemoryHost, root: str, paths: list[str]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for path in paths:
            info = tarfile.TarInfo(f"./{relative(path, root)}")
            content = host.files.get(path, b"")
            info.size = len(content)
            if path in host.links:
                info.type, info.linkname = tarfile.SYMTYPE, host.links[path]
            elif path in host.folders:
                info.type = tarfile.DIRTYPE
            if shape := SHAPE.fullmatch(host.shapes.get(path, "")):
                info.uid, info.gid, info.mode = int(shape[1]), int(shape[2]), int(shape[3], 8)
            tar.addfile(info, io.BytesIO(content))
    return stream.getvalue()
