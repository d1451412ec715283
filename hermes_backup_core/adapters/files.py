"""The host's file systems."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from attrs import frozen

from hermes_backup_core.adapters import output_file
from hermes_backup_core.adapters.mounts import FSTAB, MOUNTINFO, mounted, promised, sights
from hermes_backup_core.adapters.state import flush_folder
from hermes_backup_core.domain.errors import HermesBackupError
from hermes_backup_core.domain.host import Room, TierSize
from hermes_backup_core.domain.paths import is_within, join, shown
from hermes_backup_core.domain.selection import TierSelection

_SECTOR = 512  # what st_blocks counts in, whatever the file system's own block is (stat(2))
NO_HARD_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


@frozen
class OutputUnusable(HermesBackupError):
    """The output's file system cannot do what one pass needs: write, go back, and read."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"no backup can be written to {shown(self.path)}: {self.reason}. Choose another -P."


@frozen
class HostFiles:
    """The files of this machine. ``fstab`` and ``mounts`` say what should be mounted, and what is."""

    fstab: str = FSTAB
    mounts: str = MOUNTINFO

    def resolve(self, path: str) -> str:
        """Return ``path`` with all links resolved."""
        return os.path.realpath(path)

    def ways(self, path: str) -> tuple[str, ...]:
        """Return ``path`` with links resolved, then the paths by which other mounts (bind ones) show the same."""
        found = os.path.realpath(path)
        return (found, *(sight.path for sight in sights(found, self.mounts)[1:]))

    def is_folder(self, path: str) -> bool:
        """Whether ``path`` is a folder, or a link to one."""
        return os.path.isdir(path)

    def is_file(self, path: str) -> bool:
        """Whether ``path`` is a regular file itself, not a link to one."""
        return os.path.isfile(path) and not os.path.islink(path)

    def names(self, path: str) -> frozenset[str]:
        """Return the names of the entries of the folder ``path``."""
        return frozenset(os.listdir(path))

    def read(self, path: str) -> bytes:
        """Return the content of the file ``path``."""
        return Path(path).read_bytes()

    def size(self, path: str) -> int:
        """Return the bytes of the file ``path``."""
        return os.stat(path).st_size

    def unmounted(self, folder: str) -> tuple[str, ...]:
        """Return the mount points of `/etc/fstab` that concern ``folder`` and that nothing is mounted on."""
        points = {mount.point for mount in mounted(self.mounts)}
        wanted = {os.path.realpath(point) for point in promised(self.fstab)} - {"/"}
        concerned = {point for point in wanted if is_within(point, folder) or is_within(folder, point)}
        return tuple(sorted(concerned - points))

    def measure(self, selection: TierSelection) -> TierSize:
        """Return what ``selection`` holds now; what vanishes or refuses meanwhile is passed over."""
        left_out = {join(selection.root, folder) for folder in selection.left_out}
        folders = [join(selection.root, folder) for folder in selection.folders]
        seen: set[tuple[int, int]] = set()
        count = size = 0
        for found in _below(folders, left_out):
            count += 1
            if found.st_nlink > 1 and not stat.S_ISDIR(found.st_mode):
                if (found.st_dev, found.st_ino) in seen:
                    continue
                seen.add((found.st_dev, found.st_ino))
            if stat.S_ISREG(found.st_mode):
                size += min(found.st_size, found.st_blocks * _SECTOR)
        return TierSize(size, count)

    def room(self, folder: str) -> Room:
        """Return what the file system of ``folder`` has left for root."""
        found = os.statvfs(folder)
        inodes = found.f_ffree if found.f_files else None
        return Room(found.f_bfree * found.f_frsize, inodes, os.stat(folder).st_dev)

    def output_problem(self, folder: str) -> str | None:
        """Return why no backup can be written into ``folder``, or None."""
        if os.statvfs(folder).f_flag & os.ST_RDONLY:
            return "is on a file system that is mounted read-only: remount it to write"
        # Only root makes backups; what another user, who tries a dry run, may write says nothing about that.
        if os.geteuid() == 0 and not os.access(folder, os.W_OK | os.X_OK):
            return "cannot be written: correct its owner or mode"
        return None

    def create(self, path: str) -> BinaryIO:
        """Create ``path``, exclusively, with mode 0600; raises `OutputUnusable` where it cannot be read back."""
        try:
            file = cast("BinaryIO", output_file.opened(path))
            try:
                _try_out(file)
            except OSError:
                file.close()
                os.unlink(path)
                raise
        except OSError as err:
            if err.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise OutputUnusable(path, err.strerror or str(err)) from err
        return file

    def publish(self, file: BinaryIO, path: str, final: str) -> None:
        """Flush ``file``, rename its ``path`` to ``final``, never over another file, and flush the folder."""
        os.fsync(file.fileno())
        try:
            os.link(path, final, follow_symlinks=False)
        except FileExistsError as err:
            raise OutputUnusable(final, "another file bears that name by now") from err
        except OSError as err:
            if err.errno not in NO_HARD_LINKS or os.path.lexists(final):
                raise
            os.rename(path, final)
        try:
            self.remove(path)
            flush_folder(os.path.dirname(final))
        except OSError:
            # Whoever called takes this for a failure, and a failure leaves no tarball.
            with contextlib.suppress(OSError):
                os.unlink(final)
            raise

    def remove(self, path: str) -> bool:
        """Remove the file ``path``; return whether there was one."""
        try:
            os.unlink(path)
        except FileNotFoundError:
            return False
        return True


def _below(folders: list[str], left_out: set[str]) -> Iterator[os.stat_result]:
    """Yield the state of every entry below ``folders``, less ``left_out`` and what lies below these."""
    waiting = list(folders)
    while waiting:
        for entry in _entries(waiting.pop()):
            if entry.path in left_out:
                continue
            if entry.is_dir(follow_symlinks=False):
                waiting.append(entry.path)
            with contextlib.suppress(OSError):
                yield entry.stat(follow_symlinks=False)


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


def _try_out(file: BinaryIO) -> None:
    """Write, go back and read, as writing members in place does; leaves ``file`` empty."""
    file.write(b"12")
    file.seek(0)
    file.write(b"3")
    file.seek(0)
    if file.read(2) != b"32":
        raise OSError(errno.EIO, "it does not give back what was written")
    file.seek(0)
    file.truncate()
