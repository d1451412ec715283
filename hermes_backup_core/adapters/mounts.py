"""What is mounted on this machine, and what should be."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

FSTAB = "/etc/fstab"
MOUNTINFO = "/proc/self/mountinfo"


@frozen
class MountLine:
    """One line of proc(5)'s mountinfo: the folder ``root`` of the file system on ``device`` is at ``point``."""

    number: str
    device: str
    root: str
    point: str

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
        number, _, device, root, point, *_ = line.split()
        yield MountLine(number, device, _unescaped(root), _unescaped(point))


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
