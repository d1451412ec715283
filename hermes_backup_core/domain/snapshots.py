"""Snapshots of file systems: what one is made of, which tiers share one, and why a tier can have none. Pure."""

from __future__ import annotations

import hashlib
import os  # for the bytes of a path alone: `fsencode` touches no file
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum

from attrs import field, frozen

from hermes_backup_core.domain.figures import size
from hermes_backup_core.domain.paths import join, shown
from hermes_backup_core.domain.scope import Tier
from hermes_backup_core.domain.selection import TierSelection

NAME = "hermes-backup-snapshot-"
"""How the name of each snapshot begins that a backup makes; on btrfs, where it is a folder, behind a dot."""

MOUNTED_BELOW = "/run"
"""Where a snapshot is mounted that has to be: gone after a reboot, and in no tier."""


class SnapshotPolicy(Enum):
    """What the operator wants of snapshots: none; where they can be had; or no backup without them."""

    NEVER = "never"
    WISHED = "wished"
    REQUIRED = "required"


class SnapshotKind(Enum):
    """What makes the snapshot."""

    BTRFS = "btrfs"
    LVM = "lvm"
    ZFS = "zfs"


@frozen
class Reserve:
    """What a snapshot takes of the volume group ``pool`` for itself: ``needed`` of ``free`` bytes."""

    pool: str
    needed: int
    free: int


@frozen
class Volume:
    """What a folder lies on and a snapshot can be made of.

    ``name`` is what its own tools call it (btrfs: the path of the subvolume, LVM: ``group/volume``, ZFS: the
    dataset), ``key`` tells it from all others, ``root`` is where it is seen on this host, and ``inside`` where the
    folder lies below it. ``mounts`` and ``subvolumes`` are folders below (absolute) that its snapshot holds empty.
    ``reserve`` is None where a snapshot takes no room beforehand; ``filesystem`` is as mount(8) calls it.
    """

    kind: SnapshotKind
    name: str
    key: str
    root: str
    inside: str = ""
    mounts: tuple[str, ...] = ()
    subvolumes: tuple[str, ...] = ()
    reserve: Reserve | None = None
    filesystem: str = ""


@frozen
class Ground:
    """What the tier's root lies on: a ``volume``, or the ``problem`` why it cannot be had a snapshot of.

    ``unknown`` says that this user may not look.
    """

    volume: Volume | None = None
    problem: str = ""
    unknown: str = ""


@frozen
class Snapshot:
    """One read-only snapshot of the volume ``of``, from which ``tiers`` are packed.

    ``name`` is its own, as the tools of its kind call it; its content is read at the folder ``place``.
    ``reserved`` are the bytes that a classic LVM snapshot keeps for changes, 0 where there is nothing to keep.
    """

    kind: SnapshotKind
    of: str
    name: str
    place: str
    tiers: tuple[Tier, ...]
    reserved: int = 0
    filesystem: str = ""

    def __str__(self) -> str:
        reserved = f", {size(self.reserved)} kept for changes" if self.reserved else ""
        return f"{shown(self.of)} ({self.kind.value}{reserved})"


@frozen
class SnapshotPlan:
    """Which snapshots are made, where each tier is read in one, and why each other tier is in none."""

    snapshots: tuple[Snapshot, ...] = ()
    places: Mapping[Tier, str] = field(factory=dict)
    live: Mapping[Tier, str] = field(factory=dict)


def is_snapshot(name: str) -> bool:
    """Whether a folder's entry called ``name`` is a snapshot that a backup made."""
    return name.startswith(f".{NAME}")


def label(root: str, stamp: str) -> str:
    """Return what tells the snapshots of one run apart from all others: its install root, its time."""
    return f"{NAME}{stamp}-{hashlib.sha256(os.fsencode(root)).hexdigest()[:8]}"


def plan_snapshots(tiers: Sequence[tuple[Tier, TierSelection, Ground]], label: str) -> SnapshotPlan:
    """Return how ``tiers`` are served: those on one volume by one snapshot, named after ``label``."""
    live = {tier: why for tier, selection, ground in tiers if (why := _obstacle(selection, ground))}
    volumes = {tier: ground.volume for tier, _, ground in tiers if ground.volume and tier not in live}
    by_key: dict[str, list[Tier]] = {}
    for tier, volume in volumes.items():
        by_key.setdefault(volume.key, []).append(tier)
    snapshots: list[Snapshot] = []
    places: dict[Tier, str] = {}
    taken: dict[str, int] = {}
    for served in by_key.values():
        volume = volumes[served[0]]
        if why := _too_little_room(volume, taken):
            live.update(dict.fromkeys(served, why))
            continue
        snapshot = _snapshot(volume, f"{label}-{len(snapshots) + 1}", tuple(served))
        snapshots.append(snapshot)
        places.update({tier: join(snapshot.place, volumes[tier].inside) for tier in served})
    return SnapshotPlan(tuple(snapshots), places, live)


def _obstacle(selection: TierSelection, ground: Ground) -> str:
    """Return why a tier cannot be packed from a snapshot; only folders that it packs count."""
    if ground.volume is None:
        return ground.problem or ground.unknown
    return "; ".join(_empty_places(selection, ground.volume))


def _empty_places(selection: TierSelection, volume: Volume) -> Iterator[str]:
    for places, what in (
        (volume.mounts, "another file system is mounted at"),
        (volume.subvolumes, "there is a subvolume of its own at"),
    ):
        if concerned := [path for path in places if selection.holds(path) or selection.leads(path)]:
            yield f"{what} {', '.join(map(shown, concerned))}, which a snapshot would leave empty"


def _too_little_room(volume: Volume, taken: dict[str, int]) -> str:
    """Return why the volume group has no room for the snapshot; ``taken`` counts what others of this run take."""
    reserve = volume.reserve
    if reserve is None:
        return ""
    before = taken.get(reserve.pool, 0)
    if reserve.free - before < reserve.needed:
        others = f", of which {size(before)} are for other snapshots" if before else ""
        return (
            f"a snapshot of {volume.name} needs {size(reserve.needed)} of the volume group {reserve.pool}, which has "
            f"{size(reserve.free)} free{others}"
        )
    taken[reserve.pool] = before + reserve.needed
    return ""


def _snapshot(volume: Volume, name: str, tiers: tuple[Tier, ...]) -> Snapshot:
    reserved = volume.reserve.needed if volume.reserve else 0
    if volume.kind is SnapshotKind.BTRFS:
        place = join(volume.root, f".{name}")
        return Snapshot(volume.kind, volume.name, place, place, tiers)
    if volume.kind is SnapshotKind.ZFS:
        place = join(volume.root, f".zfs/snapshot/{name}")
        return Snapshot(volume.kind, volume.name, f"{volume.name}@{name}", place, tiers)
    group, place = volume.name.partition("/")[0], join(MOUNTED_BELOW, name)
    return Snapshot(volume.kind, volume.name, f"{group}/{name}", place, tiers, reserved, volume.filesystem)
