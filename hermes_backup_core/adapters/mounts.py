"""What is mounted on this machine, and what should be."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

from hermes_backup_core.domain.paths import is_within, join, relative

FSTAB = "/etc/fstab"
MOUNTINFO = "/proc/self/mountinfo"


@frozen
class MountLine:
    """One line of proc(5)'s mountinfo: the folder ``root`` of the file system on ``device`` is at ``point``.

    ``filesystem`` is its type, ``source`` what it was mounted from: a device's path, the name of a dataset.
    """

    number: str
    device: str
    root: str
    point: str
    filesystem: str = ""
    source: str = ""

    def is_on_top(self) -> bool:
        """Whether its point leads to it, and not to another mount there or above that hides it."""
        try:
            descriptor = os.open(self.point, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            facts = Path(f"/proc/self/fdinfo/{descriptor}").read_text(encoding="ascii")
        finally:
            os.close(descriptor)
        return ["mnt_id:", self.number] in map(str.split, facts.splitlines())


def mounted(table: str = MOUNTINFO) -> Iterator[MountLine]:
    """Yield what the mountinfo ``table`` lists."""
    for line in Path(table).read_text(errors="surrogateescape").splitlines():
        number, _, device, root, point, *more = line.split()
        # Behind the dash that ends the optional fields; a source may be empty.
        filesystem, source, *_ = (*more[more.index("-") + 1 :], "", "")
        yield MountLine(number, device, _unescaped(root), _unescaped(point), filesystem, _unescaped(source))


@frozen
class Sight:
    """One way to a folder: it is seen at ``path``, through ``mount``, and is the file system's folder ``inside``."""

    mount: MountLine
    path: str

    @property
    def inside(self) -> str:
        """Where the folder lies in its file system: absolute, from that one's own root."""
        return join(self.mount.root, relative(self.path, self.mount.point))


def sights(path: str, table: str = MOUNTINFO) -> tuple[Sight, ...]:
    """Return the ways to the folder ``path`` (links resolved): its own first, then those through other mounts."""
    mounts = list(mounted(table))
    over = [mount for mount in mounts if is_within(path, mount.point)]
    if not over:
        return ()
    # Of two mounts at one place, the later one hides the earlier.
    own = Sight(max(enumerate(over), key=lambda pair: (len(pair[1].point), pair[0]))[1], path)
    others = (
        Sight(mount, join(mount.point, relative(own.inside, mount.root)))
        for mount in mounts
        if mount.device == own.mount.device and is_within(own.inside, mount.root)
    )
    return (own, *(other for other in others if other.path != path and _is_same(other.path, path)))


def _is_same(path: str, other: str) -> bool:
    """Whether both lead to the same file; something else may be mounted over one of them."""
    try:
        return os.path.samefile(path, other)
    except OSError:
        return False


def promised(table: str = FSTAB) -> Iterator[str]:
    """Yield the mount points that the fstab ``table`` promises; none where there is no such file."""
    try:
        lines = Path(table).read_text(errors="surrogateescape").splitlines()
    except OSError:
        return
    for line in lines:
        fields = [] if line.lstrip().startswith("#") else line.split()
        if len(fields) >= 2 and fields[1].startswith("/") and "noauto" not in "".join(fields[3:4]).split(","):
            yield _unescaped(fields[1])


def _unescaped(name: str) -> str:
    """Undo the octal escapes of fstab(5) and proc(5)."""
    raw = re.sub(rb"\\([0-7]{3})", lambda match: bytes((int(match[1], 8) & 0xFF,)), os.fsencode(name))
    return os.fsdecode(raw)
