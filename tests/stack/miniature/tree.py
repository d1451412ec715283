"""What a folder holds, in facts that two folders can be compared by."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Facts:
    """All that a round trip must keep of one name; `twins` are the names of the same file (hard links)."""

    kind: str
    mode: int
    owner: tuple[int, int]
    mtime_ns: int
    size: int
    content: str
    xattrs: tuple[tuple[str, bytes], ...]
    holes: bool
    twins: tuple[bytes, ...]


BLOCK = 1 << 20
ZEROS = bytes(BLOCK)
KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "folder",
    stat.S_IFLNK: "link",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
}


def listing(folder: os.PathLike[str], *, leave_out: Collection[str] = ()) -> dict[bytes, Facts]:
    """Every name below `folder`, itself as b".", without the relative paths in `leave_out` and below."""
    top = os.fsencode(folder)
    names = list(walked(top, b".", {os.fsencode(os.path.normpath(path)) for path in leave_out}))
    twins: dict[tuple[int, int], list[bytes]] = {}
    for name in names:
        found = os.lstat(os.path.join(top, name))
        if not stat.S_ISDIR(found.st_mode):
            twins.setdefault((found.st_dev, found.st_ino), []).append(name)
    return {name: facts(os.path.join(top, name), twins) for name in names}


def walked(top: bytes, name: bytes, leave_out: set[bytes]) -> Iterator[bytes]:
    yield name
    path = os.path.join(top, name)
    if not stat.S_ISDIR(os.lstat(path).st_mode):
        return
    for child in sorted(os.listdir(path)):
        below = child if name == b"." else os.path.join(name, child)
        if below not in leave_out:
            yield from walked(top, below, leave_out)


def facts(path: bytes, twins: dict[tuple[int, int], list[bytes]]) -> Facts:
    found = os.lstat(path)
    kind = KINDS[stat.S_IFMT(found.st_mode)]
    size = found.st_size if kind in ("file", "link") else 0
    return Facts(
        kind=kind,
        mode=stat.S_IMODE(found.st_mode),
        owner=(found.st_uid, found.st_gid),
        mtime_ns=found.st_mtime_ns,
        size=size,
        content=content(path, kind),
        xattrs=tuple((name, os.getxattr(path, name, follow_symlinks=False)) for name in attributes(path)),
        holes=kind == "file" and found.st_blocks * 512 < size - 4096,
        twins=tuple(twins.get((found.st_dev, found.st_ino), ())),
    )


def content(path: bytes, kind: str) -> str:
    if kind == "link":
        return repr(os.readlink(path))
    if kind != "file":
        return ""
    with open(path, "rb") as file:
        summed = hashlib.sha256()
        while block := file.read(BLOCK):
            # Holes are large, and sums take their time: nothing but zeros is told by what comes behind it.
            if block != ZEROS:
                summed.update(b"%d:" % file.tell() + block)
    return summed.hexdigest()


def attributes(path: bytes) -> list[str]:
    return sorted(os.listxattr(path, follow_symlinks=False))
