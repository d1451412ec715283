"""Unpacking tiers through the host's GNU tar, and bringing a tier in line with a copy through its rsync."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Sequence

from attrs import field, frozen, mutable

from hermes_backup_core.adapters.process import Door
from hermes_backup_core.adapters.tar_program import TAR_ENVIRONMENT, heard, tar_problem, widen
from hermes_backup_core.domain.errors import CommandFailed, HermesBackupError, last_lines
from hermes_backup_core.domain.paths import is_below, relative, shown
from hermes_backup_core.domain.swap import HIDDEN

_LINES_KEPT = 5

_TAR_OPTIONS = (
    "--extract",
    "--file=-",
    "--numeric-owner",
    "--same-owner",
    "--same-permissions",
    "--delay-directory-restore",
    "--acls",
    "--xattrs",
    "--xattrs-include=*",
    # Links are made as they are; what leads out of the tier was refused when the archive was proven.
    "--absolute-names",
    "--anchored",
    "--no-wildcards",
    # Or a backslash in a name that is asked for would be taken for an escape.
    "--no-unquote",
    "--warning=no-timestamp",
)
_RSYNC_OPTIONS = (
    "--archive",
    "--hard-links",
    "--acls",
    "--xattrs",
    "--sparse",
    "--numeric-ids",
    # A file that is damaged, or was written by a program that puts times back, keeps its size and time.
    "--checksum",
    # Times are compared to the nanosecond.
    "--modify-window=-1",
    "--delete",
    # There is little room, or nobody would copy: first make some.
    "--delete-before",
)

_CLOSING = b"Exiting with failure status due to previous errors"
_NOT_FOUND = b": Not found in archive"
_NO_ROOM = re.compile(rb": (?:No space left on device|Disk quota exceeded|Wrote only \d+ of \d+ bytes)$")
# tar sets the plain mode as an ACL as well, and drops what a folder may have inherited. An ACL that says more is
# an extended attribute of the archive, too, and complained of as such.
_NO_LOSS = re.compile(rb"\Aacl_(?:set|delete_def)_file_at: Cannot .* POSIX ACLs for file .*: Operation not supported$")

_PARTIAL_TRANSFER = 23
_MOUNT_POINT_STAYS = re.compile(r"delete_file: rmdir\(.*\) failed: Device or resource busy \(16\)$")
_RSYNC_CLOSING = "rsync error: "


@frozen
class TierNotUnpacked(HermesBackupError):
    """A tier's archive could not be unpacked, or something of it would be lost."""

    folder: str
    reason: str

    def __str__(self) -> str:
        return (
            f"the backup could not be unpacked into {shown(self.folder)}: {self.reason}. "
            "Put that right (a failing disk shows in `dmesg`), then run the restore again."
        )


@frozen
class NoRoomToUnpack(HermesBackupError):
    """The file system ran full, although the estimate had said that there is room."""

    folder: str

    def __str__(self) -> str:
        return (
            f"no room left in {shown(self.folder)}. Free some space (or inodes) there, or name a folder on another "
            "disk with --stage-dir, then run the restore again."
        )


@frozen
class TierNotSynced(HermesBackupError):
    """A tier is not, or only in part, what its staged copy is."""

    target: str
    reason: str

    def __str__(self) -> str:
        return (
            f"{shown(self.target)} could not be brought in line with its staged copy: {self.reason}. "
            "Put that right, then run the restore with --finish."
        )


@frozen
class GnuTarTarget:
    """Unpack with GNU tar, all that `GnuTar` packs; bring in line with rsync.

    ``program`` is the name or the path of GNU tar 1.34 or newer, ``rsync`` that of rsync.
    """

    program: str = "tar"
    rsync: str = "rsync"

    def problem(self) -> str | None:
        """Return why this tar cannot unpack tiers, or None where it can."""
        return tar_problem(self.program)

    def unpack(self, chunks: Iterable[bytes], folder: str, *, excluded: Sequence[str] = (), below: str = "") -> None:
        """Unpack the tar stream ``chunks`` into the existing ``folder``, less ``excluded``; see `TierTarget`.

        Raises `TierNotUnpacked` and `NoRoomToUnpack`. An exception of ``chunks`` ends tar and passes through.
        """
        left_out = tuple(f"--exclude={name.rstrip('/')}" for name in excluded)
        argv = (self.program, *_TAR_OPTIONS, f"--directory={folder}", *left_out, *_only_below(below))
        said = _Complaints()
        try:
            code = _run(argv, chunks, said)
        except CommandFailed as err:
            raise TierNotUnpacked(folder, f"{self.program} is not installed: install GNU tar 1.34 or newer") from err
        if said.no_room:
            raise NoRoomToUnpack(folder)
        if reason := said.verdict(code, below):
            raise TierNotUnpacked(folder, reason)

    def sync_problem(self) -> str | None:
        """Return why this rsync cannot be run, or None where it can."""
        try:
            Door({"LC_ALL": "C"}).run((self.rsync, "--version"))
        except CommandFailed as err:
            return f"rsync cannot be run ({last_lines(err.stderr, 1) or err.exit_code}): install rsync"
        return None

    def sync(self, folder: str, target: str, *, stays: Sequence[str] = ()) -> None:
        """Make what lies in ``target`` equal to ``folder``; raises `TierNotSynced`.

        ``stays`` (absolute, below ``target``) are left as they are, and so the folders above them are there
        after it. A folder that something is mounted on, and that ``folder`` does not have, is left empty.
        """
        rules = tuple(f"--exclude=/{_literally(relative(path, target))}" for path in stays if is_below(path, target))
        argv = (self.rsync, *_RSYNC_OPTIONS, *rules, f"{folder}/", f"{target}/")
        # A folder that gives way to a file with hard links, and had an ACL, takes rsync two runs.
        if reason := _rsync_problem(argv) and _rsync_problem(argv):
            raise TierNotSynced(target, reason)


@mutable
class _Complaints:
    """What tar says while it unpacks: the first lines, as one failure draws others behind it."""

    lines: list[str] = field(factory=list)
    lost: bool = False
    no_room: bool = False
    not_found: int = 0

    def take(self, line: bytes) -> None:
        text = re.sub(rb"\A[^:]*tar: ", b"", line.rstrip(b"\n"), count=1)
        if _NO_LOSS.search(text) or text == _CLOSING:
            return
        if text.endswith(_NOT_FOUND):
            self.not_found += 1
            return
        self.no_room = self.no_room or bool(_NO_ROOM.search(text))
        # tar takes an extended attribute that it cannot set for no failure.
        self.lost = self.lost or b"Cannot " in text
        if len(self.lines) < _LINES_KEPT:
            self.lines.append(shown(text))

    def verdict(self, code: int, below: str) -> str | None:
        """Return why an archive that tar was through with, with this exit code, is not unpacked; None where it is."""
        # It was asked for by both the names that the folder may have.
        if below and self.not_found > 1:
            return f"there is no {shown(below)} in it"
        if not self.lost and (code == 0 or (code == 2 and self.not_found and not self.lines)):
            return None
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return f"tar ended with {how}: {'; '.join(self.lines) or 'it gave no reason'}"


def _only_below(folder: str) -> Iterator[str]:
    """Yield the arguments by which what lies below ``folder`` is unpacked as if that were the archive's top.

    `--strip-components` would drop the folder's own entry, and with it its owner, mode, ACL and times.
    """
    if folder:
        yield rf"--transform=s,^\(\./\)\{{0\,1\}}{_as_regex(folder)}\(/\|$\),//,S"
        # A hard link to a file outside must fail, and not find one of that name inside.
        yield f"--transform=s,^[^/],{HIDDEN}outside/&,RSh"
        yield "--transform=s,^//,./,S"
        yield from ("--", f"./{folder}", folder)


def _as_regex(name: str) -> str:
    """Return the basic regular expression, for use between commas, that ``name`` alone matches."""
    return re.sub(r"[\\.\[*^$,]", r"\\\g<0>", name)


def _literally(name: str) -> str:
    """Return the rsync pattern that ``name`` alone matches; a backslash escapes only beside a wildcard."""
    return re.sub(r"[\\*?\[]", r"\\\g<0>", name) if re.search(r"[*?\[]", name) else name


def _run(argv: tuple[str, ...], chunks: Iterable[bytes], said: _Complaints) -> int:
    """Run tar over ``chunks`` and return its exit code."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    with Door(TAR_ENVIRONMENT).started(argv, **pipes) as process, heard(process, said):
        widen(process.stdin)
        rest = iter(chunks)
        for chunk in rest:
            if not _written(process.stdin.fileno(), chunk):
                break
        process.stdin.close()
        code: int = process.wait()
        if code == 0:
            for _ in rest:  # the archive's end lay before the stream's, whose reader may have more to prove
                pass
        return code


def _rsync_problem(argv: tuple[str, ...]) -> str | None:
    """Run rsync and return why it could not do all, or None where it could."""
    try:
        Door({"LC_ALL": "C"}).run(argv)
    except CommandFailed as err:
        lines = [
            line for line in map(str.strip, err.stderr.splitlines()) if line and not line.startswith(_RSYNC_CLOSING)
        ]
        if err.exit_code == _PARTIAL_TRANSFER and lines and all(map(_MOUNT_POINT_STAYS.search, lines)):
            return None
        return shown(last_lines(err.stderr, _LINES_KEPT)) or f"rsync ended with exit code {err.exit_code}"
    return None


def _written(descriptor: int, chunk: bytes) -> bool:
    """Write ``chunk``; return whether anybody was there to read it."""
    view = memoryview(chunk)
    try:
        while view:
            view = view[os.write(descriptor, view) :]
    except BrokenPipeError:
        return False
    return True
