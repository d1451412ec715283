"""Trees of files that a backup must bring back as they were, and how to compare two of them."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
from pathlib import Path
from typing import Any

from attrs import frozen


@frozen
class Look:
    """All that must survive of one name."""

    mode: int
    owner: tuple[int, int]
    mtime_ns: int
    content: bytes | None
    xattrs: dict[str, bytes]
    same_file: tuple[bytes, ...]
    """Every name of the file, within the tree."""


def snapshot(root: Path) -> dict[bytes, Look]:
    """Everything below `root`, the root itself as `.`; sockets are passed over."""
    top = os.fsencode(root)
    found = {b".": os.lstat(top)}
    for folder, folders, files in os.walk(top):
        for name in (*folders, *files):
            path = os.path.join(folder, name)
            status = os.lstat(path)
            if not stat.S_ISSOCK(status.st_mode):
                found[os.path.relpath(path, top)] = status
    names: dict[tuple[int, int], list[bytes]] = {}
    for name, status in found.items():
        names.setdefault((status.st_dev, status.st_ino), []).append(name)
    return {
        name: _look(os.path.join(top, name), status, names[status.st_dev, status.st_ino])
        for name, status in found.items()
    }


def _look(path: bytes, status: os.stat_result, names: list[bytes]) -> Look:
    content = None
    if stat.S_ISLNK(status.st_mode):
        content = os.readlink(path)
    elif stat.S_ISREG(status.st_mode):
        content = Path(os.fsdecode(path)).read_bytes()
    xattrs = {key: os.getxattr(path, key, follow_symlinks=False) for key in _xattrs(path, status)}
    return Look(
        mode=status.st_mode,
        owner=(status.st_uid, status.st_gid),
        mtime_ns=status.st_mtime_ns,
        content=content,
        xattrs=xattrs,
        same_file=tuple(sorted(names)),
    )


def _xattrs(path: bytes, status: os.stat_result) -> list[str]:
    return [] if stat.S_ISLNK(status.st_mode) else os.listxattr(path, follow_symlinks=False)


def extract(archive: Path, into: Path) -> None:
    """Unpack with GNU tar, keeping all that it can keep; any complaint is a failure."""
    into.mkdir()
    options = ("-xpf", str(archive), "--numeric-owner", "--acls", "--xattrs", "--xattrs-include=*")
    done = subprocess.run(["tar", *options, "--warning=no-timestamp"], cwd=into, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b""), done.stderr


def make_everything(root: Path) -> None:
    """Fill the folder `root` with each kind of content that a tier was ever seen to hold."""
    top = os.fsencode(root)
    for name in (
        b"line\nbreak",
        b"-dash",
        b"\xff\xfe no UTF-8",
        b"n" * 255,
        b" blanks ",
        b"[1]",
        b"back\\nslash",
        b"*",
    ):
        _write(os.path.join(top, name), name * 3)
    _write(os.path.join(top, b"setuid"), b"#!", mode=0o4755)
    _write(os.path.join(top, b"owned"), b"by nobody known", owner=(54_321, 65_001))
    os.link(os.path.join(top, b"owned"), os.path.join(top, b"linked"))
    os.symlink(b"/nowhere/at all", os.path.join(top, b"dangling"))
    os.symlink(b"../../etc", os.path.join(top, b"outside"))
    os.mkfifo(os.path.join(top, b"fifo"))
    os.makedirs(os.path.join(top, b"deep", b"n" * 200, b"m" * 200, b"empty"))
    with open(os.path.join(top, b"sparse"), "wb") as file:
        file.seek(50 << 20)
        file.write(b"in the middle")
        file.truncate(100 << 20)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.join(top, b"sock\net"))
    for name, mtime in _MTIMES.items():
        _write(os.path.join(top, name), b"time")
        os.utime(os.path.join(top, name), ns=(mtime, mtime))
    _run("setfacl", "-m", "u:4711:rw,g:12:r", os.path.join(top, b"setuid"))
    _run("setfacl", "-d", "-m", "u:4711:rwx", os.path.join(top, b"deep"))
    _run("setfattr", "-n", "user.note", "-v", "kept", os.path.join(top, b"owned"))
    _run("setfattr", "-n", "trusted.note", "-v", "kept as well", os.path.join(top, b"deep"))


_MTIMES = {
    b"past": -1_234_567_890_123_456_789,
    b"before 1970": -1,
    b"nanoseconds": 1_700_000_000_987_654_321,
    b"after 2038": 4_000_000_000_000_000_001,
}


def _write(path: bytes, content: bytes, *, mode: int = 0o640, owner: tuple[int, int] = (0, 0)) -> None:
    with open(path, "wb") as file:
        file.write(content)
    os.chown(path, *owner)
    os.chmod(path, mode)


def _run(*argv: Any) -> None:
    subprocess.run(argv, check=True, capture_output=True)
