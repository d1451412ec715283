"""A folder of files that a careless copy loses, bends or stumbles over."""

from __future__ import annotations

import os
import socket
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HOLE = 50 * 1024 * 1024
NANOSECONDS = 123_456_789
BEFORE_1970 = -10 * 365 * 86400 * 10**9 + NANOSECONDS
AFTER_2038 = 2_208_988_800 * 10**9 + NANOSECONDS
NOBODYS_UID = 1_234_567

ODD_NAMES: tuple[bytes, ...] = (
    b"new\nline",
    b"-rf",
    b"--checkpoint-action=exec=sh",
    b"caf\xe9 in latin-1",
    "é composed, e\u0301 decomposed, 😀".encode(),
    b" blanks around ",
    b"[1] * ? {a,b}",
    b"back\\slash\\n",
    b"quote ' and \" and $(id) `id`",
    b"tab\tand\x07bell\x7f",
    b".hidden",
    b"@LongLink",
    b"n" * 255,
)


def make_odd_files(folder: Path) -> None:
    """Fill a new folder `folder` with one of each."""
    folder.mkdir(parents=True)
    with working_in(folder):
        odd_names()
        links()
        special_files()
        owners_and_rights()
        holes()
        times()


def odd_names() -> None:
    for name in ODD_NAMES:
        Path(os.fsdecode(name)).write_bytes(b"in " + name + b"\n")
    deep = Path(*["d" * 60] * 8)
    deep.mkdir(parents=True)
    (deep / "a path of more than 256 bytes").write_text("deep\n")
    Path("empty folder").mkdir()
    Path("empty file").touch()


def links() -> None:
    Path("linked").write_text("two more names\n")
    Path("linked too").hardlink_to("linked")
    Path("empty folder/.linked").write_text("over folders\n")
    Path("linked elsewhere").hardlink_to("empty folder/.linked")
    Path("symlink").symlink_to("linked")
    Path("symlink that dangles").symlink_to("/nonexistent/file")
    Path("symlink to outside").symlink_to("/etc/hostname")
    Path("symlink upwards").symlink_to("../../..")
    Path("symlink with a long target").symlink_to("t/" * 100 + "end")
    Path("symlink").with_name(os.fsdecode(b"symlink \xff")).symlink_to(os.fsdecode(b"\xfe"))


def special_files() -> None:
    os.mkfifo("fifo", 0o640)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")


def owners_and_rights() -> None:
    for name, mode in (("setuid", 0o4755), ("setgid", 0o2755), ("no rights", 0o000), ("executable", 0o777)):
        Path(name).write_text(f"{name}\n")
        os.chown(name, NOBODYS_UID, 7_654_321)
        Path(name).chmod(mode)
    Path("sticky").mkdir()
    Path("sticky").chmod(0o1777)
    Path("with attributes").write_text("x\n")
    os.setxattr("with attributes", "user.comment", "für später".encode())
    os.setxattr("with attributes", "user.bytes", bytes(range(256)))
    os.setxattr("with attributes", "system.posix_acl_access", acl(0o640, NOBODYS_UID))
    Path("folder with a default ACL").mkdir()
    os.setxattr("folder with a default ACL", "system.posix_acl_default", acl(0o750, 5000))


def acl(mode: int, uid: int) -> bytes:
    """An ACL as the kernel keeps it (linux/posix_acl_xattr.h): `mode`, and one more user who may read."""
    nobody = 0xFFFF_FFFF
    read = stat.S_IROTH
    owner, group, other = mode >> 6 & 7, mode >> 3 & 7, mode & 7
    entries = [(0x01, owner, nobody), (0x02, read, uid), (0x04, group, nobody)]
    entries += [(0x10, group | read, nobody), (0x20, other, nobody)]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def holes() -> None:
    with Path("sparse").open("wb") as file:
        file.seek(HOLE)
        file.write(b"after the hole\n")
        file.truncate(2 * HOLE)
    with Path("only a hole").open("wb") as file:
        file.truncate(HOLE)


def times() -> None:
    for name, moment in (
        ("before 1970", BEFORE_1970),
        ("after 2038", AFTER_2038),
        ("nanoseconds", NANOSECONDS),
    ):
        Path(name).write_text(f"{name}\n")
        os.utime(name, ns=(moment, moment))
    os.utime("empty folder", ns=(AFTER_2038, AFTER_2038))
    os.utime("symlink that dangles", ns=(BEFORE_1970, BEFORE_1970), follow_symlinks=False)


@contextmanager
def working_in(folder: Path) -> Iterator[None]:
    """The address of a socket holds about a hundred bytes: it is made by its name alone."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
