"""The fake of what unpacks a tier: real tar streams, into the folders of the host."""

from __future__ import annotations

import io
import posixpath
import tarfile
from collections.abc import Iterable, Sequence

from attrs import define

from hermes_backup_core.domain.errors import CommandFailed
from hermes_backup_core.domain.paths import is_below, is_within, join, relative
from tests.unit.fakes.host import MemoryHost
from tests.unit.fakes.trees import give_shape, link, remove

TAR = ("tar", "--extract")


@define
class MemoryTarget:
    """Unpacks into the host, up to ``MemoryHost.full_after`` bytes; ``unpack_trouble`` comes when all is unpacked."""

    host: MemoryHost

    def problem(self) -> str | None:
        with self.host.port("target.problem"):
            return self.host.target_problem

    def sync_problem(self) -> str | None:
        with self.host.port("target.sync_problem"):
            return self.host.sync_problem

    def unpack(self, chunks: Iterable[bytes], folder: str, *, excluded: Sequence[str] = (), below: str = "") -> None:
        with self.host.port("target.unpack"):
            if not self.host.is_folder(folder):
                raise CommandFailed(TAR, 2, f"tar: {folder}: Cannot open: No such file or directory")
            left_out = [_plain(name) for name in excluded]
            with tarfile.open(fileobj=io.BytesIO(b"".join(chunks)), mode="r:") as tar:
                members = [(path, member) for member in tar if (path := _place(member.name, folder, left_out, below))]
                self._unpack(tar, members[:1], folder)
                with self.host.port("target.unpack.rest"):
                    self._unpack(tar, members[1:], folder)
            if self.host.unpack_trouble:
                raise CommandFailed(TAR, 2, self.host.unpack_trouble)

    def _unpack(self, tar: tarfile.TarFile, members: Sequence[tuple[str, tarfile.TarInfo]], folder: str) -> None:
        for path, member in members:
            self._put(tar, path, member)
            limit = self.host.full_after
            if limit is not None and _held_in(self.host, folder) > limit:
                raise CommandFailed(TAR, 2, f"tar: {path}: Cannot write: No space left on device")

    def _put(self, tar: tarfile.TarFile, path: str, member: tarfile.TarInfo) -> None:
        self.host.add_folder(path if member.isdir() else posixpath.dirname(path))
        if member.issym():
            self.host.links[path] = member.linkname
            return
        if member.isfile() or member.islnk():
            content = tar.extractfile(member)
            assert content is not None
            self.host.files[path] = content.read()
        give_shape(self.host, path, f"{member.uid}:{member.gid} {member.mode:04o}")

    def sync(self, folder: str, target: str, *, stays: Sequence[str] = ()) -> None:
        with self.host.port("target.sync"):
            copied = _copy(self.host, folder, target, stays)
        with self.host.port("target.sync.delete"):
            if self.host.sync_trouble:
                raise CommandFailed(("rsync", "--delete"), 23, self.host.sync_trouble)
            needed = [*copied, *stays]
            entries = {*self.host.files, *self.host.links, *self.host.folders}
            gone = [path for path in entries if is_below(path, target) and not _is_needed(path, needed, stays)]
            remove(self.host, gone)


def _copy(host: MemoryHost, folder: str, target: str, stays: Sequence[str]) -> list[str]:
    """Copy what lies at or below ``folder`` to ``target``, and return the paths there."""
    copied = []
    for path in sorted({*host.files, *host.links, *host.folders}):
        goal = join(target, relative(path, folder))
        if not is_within(path, folder) or any(is_within(goal, kept) for kept in stays):
            continue
        copied.append(goal)
        if path in host.folders:
            host.folders.add(goal)
        elif path in host.links:
            host.links[goal] = host.links[path]
        else:
            link(host, path, goal)
        give_shape(host, goal, host.shapes.get(path))
    return copied


def _is_needed(path: str, needed: Sequence[str], stays: Sequence[str]) -> bool:
    return any(is_within(other, path) for other in needed) or any(is_within(path, kept) for kept in stays)


def _plain(name: str) -> str:
    """Return an archive's ``name`` without a leading ``./``; empty for the top itself."""
    return "" if name in ("", ".", "./") else name.removeprefix("./").rstrip("/")


def _place(name: str, folder: str, left_out: Sequence[str], below: str) -> str | None:
    """Return where the member ``name`` belongs, or None where it is not to be unpacked."""
    plain, top = f"/{_plain(name)}".rstrip("/") or "/", f"/{_plain(below)}".rstrip("/") or "/"
    if not is_within(plain, top) or any(is_within(plain, f"/{other}") for other in left_out):
        return None
    return join(folder, relative(plain, top))


def _held_in(host: MemoryHost, folder: str) -> int:
    return sum(len(content) for path, content in host.files.items() if is_within(path, folder))
