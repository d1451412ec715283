"""Snapshots of ZFS datasets, read below the hidden folder `.zfs` of the dataset's own mount point."""

from __future__ import annotations

import os

from attrs import frozen

from hermes_backup_core.adapters.mounts import Sight
from hermes_backup_core.adapters.snapshots.tools import ONLY_ROOT, is_root, left, tool, why_not
from hermes_backup_core.domain.errors import CommandFailed
from hermes_backup_core.domain.paths import relative, shown
from hermes_backup_core.domain.snapshots import Ground, Snapshot, SnapshotKind, Volume

_PACKAGE = "zfsutils-linux"
_GONE = "does not exist"


@frozen
class Zfs:
    """Makes snapshots with `zfs`."""

    def look(self, seen: tuple[Sight, ...]) -> Ground:
        """Return the dataset that the folder lies in, whose root must be mounted."""
        if not is_root():
            return ONLY_ROOT
        sight = next((sight for sight in seen if sight.mount.root == "/"), None)
        if sight is None:
            return Ground(problem=f"the root of the dataset that {shown(seen[0].path)} lies in is mounted nowhere")
        dataset, root = sight.mount.source, sight.mount.point
        try:
            tool(("zfs", "list", "-H", "-o", "name", dataset))
        except CommandFailed as err:
            return why_not(err, _PACKAGE)
        return Ground(Volume(SnapshotKind.ZFS, dataset, f"zfs {dataset}", root, relative(sight.path, root)))

    def take(self, snapshot: Snapshot) -> None:
        """Make ``snapshot``."""
        tool(("zfs", "snapshot", snapshot.name))
        # It is mounted when somebody looks, which may fail: better now than when tar does.
        os.listdir(snapshot.place)

    def problem(self, snapshot: Snapshot) -> str | None:
        """Return None: nothing that is written later can harm it."""
        del snapshot
        return None

    def remove(self, snapshot: Snapshot) -> bool:
        """Remove ``snapshot``, and return whether there was one."""
        command = ("zfs", "destroy", snapshot.name)
        try:
            # Exactly this one: `zfs destroy` knows lists and ranges, and -r.
            tool(("zfs", "list", "-H", "-t", "snapshot", "-o", "name", snapshot.name))
        except CommandFailed as err:
            if _GONE in err.stderr and _has_dataset(snapshot.of):
                return False
            raise left(snapshot, err, *command) from err
        try:
            tool(command)
        except CommandFailed as err:
            raise left(snapshot, err, *command) from err
        return True


def _has_dataset(name: str) -> bool:
    try:
        tool(("zfs", "list", "-H", "-o", "name", name))
    except CommandFailed:
        return False
    return True
