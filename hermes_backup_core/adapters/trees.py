"""The host's folders as a restore changes them."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import shutil
import stat

from attrs import frozen

from hermes_backup_core.adapters.files import NO_HARD_LINKS
from hermes_backup_core.adapters.mounts import MOUNTINFO, mounted
from hermes_backup_core.adapters.state import flush_folder
from hermes_backup_core.adapters.times import times_kept
from hermes_backup_core.domain.paths import is_below, is_within

_ACLS = ("system.posix_acl_access", "system.posix_acl_default")


@frozen
class HostTrees:
    """The folders of this machine. ``mounts`` says what is mounted."""

    mounts: str = MOUNTINFO

    def exists(self, path: str) -> bool:
        """Whether anything is called ``path``, a dangling link included."""
        return os.path.lexists(path)

    def is_folder(self, path: str) -> bool:
        """Whether ``path`` is a folder itself, not a link to one."""
        return os.path.isdir(path) and not os.path.islink(path)

    def names(self, path: str) -> frozenset[str]:
        """Return the names of the entries of the folder ``path``; none where there is no such folder."""
        return frozenset(os.listdir(path)) if self.is_folder(path) else frozenset()

    def mount_points(self, path: str) -> tuple[str, ...]:
        """Return the mount points below the folder ``path``, less itself and less those that another mount hides."""
        below = [mount for mount in mounted(self.mounts) if is_below(mount.point, path)]
        return tuple(sorted({mount.point for mount in below if mount.is_on_top()}))

    def make_folder(self, path: str) -> None:
        """Make the folder ``path`` and those above it that are missing, for root alone."""
        if self.is_folder(path):
            return
        if not os.path.isdir(above := os.path.dirname(path)):
            self.make_folder(above)
        with times_kept(above):
            os.mkdir(path, 0o700)
        # What lies above hands its default ACL on, also to all that is made in here later.
        for name in _ACLS:
            with contextlib.suppress(OSError):
                os.removexattr(path, name)

    def rename(self, path: str, target: str) -> None:
        """Give ``path`` the name ``target`` on the same file system; raises `OSError` where that is taken."""
        # rename(2) alone would replace a file, an empty folder too. Nobody else works here meanwhile, the stack
        # is down and the run has the lock, so that looking first is enough.
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)
        os.rename(path, target)

    def replace(self, path: str, target: str, aside: str) -> None:
        """Put the file ``path`` where ``target`` is, which is never missing and goes on as ``aside``."""
        is_kept = os.path.lexists(aside)
        if not os.path.lexists(path):
            if is_kept:
                return
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        if not is_kept:
            _second_name(target, aside)
            flush_folder(os.path.dirname(aside))
        os.rename(path, target)
        # Where both are names of one file already, rename(2) leaves both.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)

    def shape_like(self, path: str, pattern: str) -> None:
        """Give the folder ``path`` the owner, mode, ACL, extended attributes and times of the folder ``pattern``."""
        found = _folder_status(pattern)
        _folder_status(path)
        os.chown(path, found.st_uid, found.st_gid)
        wanted = {name: os.getxattr(pattern, name) for name in os.listxattr(pattern)}
        for name in os.listxattr(path):
            if name not in wanted:
                os.removexattr(path, name)
        for name, value in wanted.items():
            os.setxattr(path, name, value)
        os.chmod(path, stat.S_IMODE(found.st_mode))
        os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))

    def own_like(self, folder: str, pattern: str) -> None:
        """Give every file in ``folder`` the owner and mode of the file ``pattern``."""
        found = os.lstat(pattern)
        with os.scandir(folder) as entries:
            files = [entry.path for entry in entries if entry.is_file(follow_symlinks=False)]
        for path in files:
            os.chown(path, found.st_uid, found.st_gid)
            os.chmod(path, stat.S_IMODE(found.st_mode))

    def write(self, path: str, content: bytes) -> None:
        """Put ``content`` into the existing file ``path``, whose owner and mode stay, and flush it."""
        flags = os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(path, flags), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    def flush(self, path: str) -> None:
        """Bring all that was done on the file system of ``path`` to its disk."""
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            # sync(2), which Python has, waits for every disk of the host.
            if ctypes.CDLL(None, use_errno=True).syncfs(descriptor) != 0:
                code = ctypes.get_errno()
                raise OSError(code, os.strerror(code), path)
        finally:
            os.close(descriptor)

    def remove(self, path: str) -> None:
        """Remove ``path`` with all below it; raises `OSError` where something is mounted there, before it begins."""
        if not self.is_folder(path):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            return
        real = os.path.realpath(path)
        for mount in mounted(self.mounts):
            if is_within(mount.point, real):
                raise OSError(errno.EBUSY, "not removed, as something is mounted there", mount.point)
        with times_kept(os.path.dirname(path)):
            shutil.rmtree(os.fsencode(path))


def _folder_status(path: str) -> os.stat_result:
    found = os.lstat(path)
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
    return found


def _second_name(path: str, name: str) -> None:
    """Let the file ``path`` be at ``name`` too, or a copy of it where there are no hard links."""
    try:
        os.link(path, name, follow_symlinks=False)
    except OSError as err:
        if err.errno not in NO_HARD_LINKS:
            raise
        _copy(path, name)


def _copy(path: str, name: str) -> None:
    """Copy the file ``path`` to ``name``, where it is whole or not at all."""
    found, fresh = os.lstat(path), f"{name}.new"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(fresh)
    shutil.copyfile(path, fresh, follow_symlinks=False)
    os.chown(fresh, found.st_uid, found.st_gid, follow_symlinks=False)
    shutil.copystat(path, fresh, follow_symlinks=False)
    if stat.S_ISREG(found.st_mode):
        with open(fresh, "rb") as file:
            os.fsync(file.fileno())
    os.rename(fresh, name)
