"""The fake of what makes snapshots: the content of a volume as it was, at another place."""

from __future__ import annotations

from typing import Any

from attrs import define, evolve

from hermes_backup_core.domain.errors import CommandFailed, SnapshotLeft
from hermes_backup_core.domain.paths import is_within, join, relative
from hermes_backup_core.domain.snapshots import Ground, Snapshot, SnapshotKind, Volume, is_snapshot
from tests.unit.fakes.host import MemoryHost

PLAIN = Ground(problem="it lies on ext4 without LVM, of which no snapshot can be had")


def subvolume(root: str, folder: str = "", **changes: Any) -> Ground:
    """Return what ``folder`` lies on where the btrfs subvolume ``root`` holds it."""
    volume = Volume(SnapshotKind.BTRFS, root, f"btrfs {root}", root, relative(folder or root, root))
    return Ground(evolve(volume, **changes))


@define
class MemorySnapshots:
    """Makes snapshots of what ``MemoryHost.grounds`` has, by folder; all else has none."""

    host: MemoryHost

    def look(self, folder: str) -> Ground:
        with self.host.port("snapshots.look"):
            return self.host.grounds.get(folder, PLAIN)

    def take(self, snapshot: Snapshot) -> None:
        with self.host.port("snapshots.take"):
            if trouble := self.host.snapshot_trouble.get(snapshot.of):
                raise CommandFailed(("take", snapshot.name), 1, trouble)
            if snapshot.place in self.host.folders:
                raise CommandFailed(("take", snapshot.name), 1, "File exists")
            root = self._root(snapshot)
            self.host.folders.add(snapshot.place)
            for path, content in list(self.host.files.items()):
                if is_within(path, root) and not any(map(is_snapshot, path.split("/"))):
                    self.host.files[join(snapshot.place, relative(path, root))] = content

    def problem(self, snapshot: Snapshot) -> str | None:
        with self.host.port("snapshots.problem"):
            return self.host.snapshot_overflow.get(snapshot.of)

    def remove(self, snapshot: Snapshot) -> bool:
        with self.host.port("snapshots.remove"):
            if trouble := self.host.snapshot_stays.get(snapshot.of):
                raise SnapshotLeft(snapshot.of, trouble, f"btrfs subvolume delete {snapshot.name}")
            if snapshot.place not in self.host.folders:
                return False
            self.host.folders.remove(snapshot.place)
            for path in [path for path in self.host.files if is_within(path, snapshot.place)]:
                del self.host.files[path]
            return True

    def _root(self, snapshot: Snapshot) -> str:
        volumes = (ground.volume for ground in self.host.grounds.values())
        return next(volume.root for volume in volumes if volume and volume.name == snapshot.of)
