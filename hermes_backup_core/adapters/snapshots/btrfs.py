"""Snapshots of btrfs subvolumes: a hidden folder in the subvolume's own root, which needs no mount."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterator

from attrs import frozen

from hermes_backup_core.adapters.mounts import Sight
from hermes_backup_core.adapters.snapshots.tools import ONLY_ROOT, is_root, left, tool, why_not
from hermes_backup_core.adapters.times import times_kept
from hermes_backup_core.domain.errors import CommandFailed
from hermes_backup_core.domain.paths import is_below, join, relative, shown
from hermes_backup_core.domain.snapshots import Ground, Snapshot, SnapshotKind, Volume, is_snapshot

_ROOT_INODE = 256  # of every subvolume (BTRFS_FIRST_FREE_OBJECTID)
_LISTED = re.compile(r"^ID \d+ gen \d+ top level \d+ path (.*?)(?=\nID \d+ gen |\Z)", re.MULTILINE | re.DOTALL)
_PACKAGE = "btrfs-progs"


def is_subvolume(path: str) -> bool:
    """Whether ``path`` is the root of a subvolume; asked on btrfs only."""
    try:
        return os.lstat(path).st_ino == _ROOT_INODE
    except OSError:
        return False


@frozen
class Btrfs:
    """Makes snapshots with `btrfs subvolume`. ``is_subvolume`` tells the roots of subvolumes from other folders."""

    is_subvolume: Callable[[str], bool] = is_subvolume

    def look(self, seen: tuple[Sight, ...]) -> Ground:
        """Return the subvolume that the folder lies in; one must be seen up to its root."""
        if not is_root():
            return ONLY_ROOT
        found = next(((sight, root) for sight in seen if (root := self._root(sight))), None)
        if found is None:
            return Ground(problem=f"the root of the subvolume that {shown(seen[0].path)} lies in is mounted nowhere")
        sight, root = found
        try:
            nested = tuple(_nested(sight, root, seen[0].path))
        except CommandFailed as err:
            return why_not(err, _PACKAGE)
        # Of each subvolume, the kernel makes a device of its own.
        key = f"btrfs {os.stat(root).st_dev}"
        volume = Volume(SnapshotKind.BTRFS, root, key, root, relative(sight.path, root), subvolumes=nested)
        return Ground(volume)

    def take(self, snapshot: Snapshot) -> None:
        """Make ``snapshot``."""
        if os.path.lexists(snapshot.name):
            # btrfs would make the snapshot inside of that.
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), snapshot.name)
        with times_kept(snapshot.of):
            tool(("btrfs", "subvolume", "snapshot", "-r", snapshot.of, snapshot.name))

    def problem(self, snapshot: Snapshot) -> str | None:
        """Return None: nothing that is written later can harm it."""
        del snapshot
        return None

    def remove(self, snapshot: Snapshot) -> bool:
        """Remove ``snapshot``, and return when that is on the disk whether there was one."""
        command = ("btrfs", "subvolume", "delete", "--commit-after", snapshot.name)
        if not self.is_subvolume(snapshot.of):
            raise left(snapshot, f"{shown(snapshot.of)} is no btrfs subvolume now: mount it as it was", *command)
        if not os.path.lexists(snapshot.name):
            return False
        try:
            with times_kept(snapshot.of):
                tool(command)
        except CommandFailed as err:
            raise left(snapshot, err, *command) from err
        return True

    def _root(self, sight: Sight) -> str | None:
        """Return the root of the subvolume that holds the folder, as it is seen there, or None where it is not."""
        path = sight.path
        while not self.is_subvolume(path):
            if path == sight.mount.point:
                return None
            path = os.path.dirname(path)
        return path


def _nested(sight: Sight, root: str, folder: str) -> Iterator[str]:
    """Yield the subvolumes right below ``root`` that lie in ``folder``, which ``sight`` sees, less our own."""
    listed = tool(("btrfs", "subvolume", "list", "-o", root))
    for found in _LISTED.findall(listed.rstrip("\n")):
        path = f"/{found}"
        if is_below(path, sight.inside) and not is_snapshot(os.path.basename(path)):
            yield join(folder, relative(path, sight.inside))
