"""The snapshots of this machine: which kind a folder lies on decides who makes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from attrs import evolve, frozen

from hermes_backup_core.adapters.mounts import MOUNTINFO, Sight, mounted, sights
from hermes_backup_core.adapters.snapshots.btrfs import Btrfs
from hermes_backup_core.adapters.snapshots.lvm import Lvm
from hermes_backup_core.adapters.snapshots.zfs import Zfs
from hermes_backup_core.domain.paths import is_below, shown
from hermes_backup_core.domain.snapshots import Ground, Snapshot, SnapshotKind
from hermes_backup_core.ports import Clock


class Maker(Protocol):
    """What makes snapshots of one kind."""

    def look(self, seen: tuple[Sight, ...]) -> Ground:
        """Return what the folder that is seen these ways lies on; the mounts below it are nobody's business here."""
        ...

    def take(self, snapshot: Snapshot) -> None:
        """See `Snapshots.take`."""
        ...

    def problem(self, snapshot: Snapshot) -> str | None:
        """See `Snapshots.problem`."""
        ...

    def remove(self, snapshot: Snapshot) -> bool:
        """See `Snapshots.remove`."""
        ...


@frozen
class HostSnapshots:
    """The snapshots of this machine. ``mounts`` says what is mounted."""

    makers: Mapping[SnapshotKind, Maker]
    mounts: str = MOUNTINFO

    @classmethod
    def of(cls, clock: Clock) -> HostSnapshots:
        """Return those that the machine's own tools make."""
        return cls({SnapshotKind.BTRFS: Btrfs(), SnapshotKind.LVM: Lvm(clock), SnapshotKind.ZFS: Zfs()})

    def look(self, folder: str) -> Ground:
        """Return what ``folder`` (links resolved) lies on, and whether a snapshot of that can be had."""
        seen = sights(folder, self.mounts)
        if not seen:
            return Ground(problem=f"no file system is mounted where {shown(folder)} is")
        ground = self.makers[_kind(seen[0])].look(seen)
        if ground.volume is None:
            return ground
        return Ground(evolve(ground.volume, mounts=tuple(sorted(set(self._mounts_below(folder))))))

    def take(self, snapshot: Snapshot) -> None:
        """Make ``snapshot``, so that its content can be read at its place."""
        self.makers[snapshot.kind].take(snapshot)

    def problem(self, snapshot: Snapshot) -> str | None:
        """Return why what was read from ``snapshot`` cannot be trusted, or None where it can."""
        return self.makers[snapshot.kind].problem(snapshot)

    def remove(self, snapshot: Snapshot) -> bool:
        """Remove ``snapshot``, and return whether there was one."""
        return self.makers[snapshot.kind].remove(snapshot)

    def _mounts_below(self, folder: str) -> Iterator[str]:
        for mount in mounted(self.mounts):
            # ZFS mounts a snapshot by itself when somebody looks into it; that is no part of what is packed.
            is_look = mount.filesystem == "zfs" and "@" in mount.source
            if is_below(mount.point, folder) and not is_look and mount.is_on_top():
                yield mount.point


def _kind(sight: Sight) -> SnapshotKind:
    """Return who knows about the file system: LVM, of anything else, since it may lie on a logical volume."""
    kinds = {"btrfs": SnapshotKind.BTRFS, "zfs": SnapshotKind.ZFS}
    return kinds.get(sight.mount.filesystem, SnapshotKind.LVM)
