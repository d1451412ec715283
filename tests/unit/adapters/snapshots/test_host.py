"""Which kind of snapshot a folder can have, by the table of mounts, and what is mounted below it."""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import define, field

from hermes_backup_core.adapters.clock import SystemClock
from hermes_backup_core.adapters.mounts import MOUNTINFO, MountLine, Sight, mounted, sights
from hermes_backup_core.adapters.snapshots import HostSnapshots
from hermes_backup_core.domain.scope import Tier
from hermes_backup_core.domain.snapshots import Ground, Snapshot, SnapshotKind, Volume
from tests.unit.adapters.mounting import mounted as really_mounted


@define
class Maker:
    """Has a volume of everything, and keeps what it was told."""

    kind: SnapshotKind
    told: list[object] = field(factory=list)

    def look(self, seen: tuple[Sight, ...]) -> Ground:
        self.told.append(seen)
        return Ground(Volume(self.kind, "x", "x", seen[0].path))

    def take(self, snapshot: Snapshot) -> None:
        self.told.append(("take", snapshot))

    def problem(self, snapshot: Snapshot) -> str | None:
        return f"problem of {snapshot.name}"

    def remove(self, snapshot: Snapshot) -> bool:
        return snapshot.name == "there"


def host(table: str = MOUNTINFO) -> HostSnapshots:
    return HostSnapshots({kind: Maker(kind) for kind in SnapshotKind}, table)


def table(folder: Path, *lines: str) -> str:
    (folder / "mountinfo").write_text("".join(f"{line}\n" for line in lines))
    return str(folder / "mountinfo")


@pytest.mark.parametrize(
    ("filesystem", "kind"),
    [("btrfs", SnapshotKind.BTRFS), ("zfs", SnapshotKind.ZFS), ("ext4", SnapshotKind.LVM), ("xfs", SnapshotKind.LVM)],
)
def test_the_file_system_decides_who_is_asked(tmp_path: Path, filesystem: str, kind: SnapshotKind) -> None:
    mounts = table(tmp_path, f"36 35 0:50 /sub {tmp_path} rw shared:1 master:2 - {filesystem} tank/a\\040b rw")
    makers = host(mounts)
    volume = makers.look(str(tmp_path)).volume
    assert volume
    assert volume.kind is kind
    maker = makers.makers[kind]
    assert isinstance(maker, Maker)
    line = MountLine("36", "0:50", "/sub", str(tmp_path), filesystem, "tank/a b")
    assert maker.told == [(Sight(line, str(tmp_path)),)]


def test_a_folder_that_no_mount_shows_has_none(tmp_path: Path) -> None:
    assert "no file system is mounted" in host(table(tmp_path)).look("/mnt/vmail").problem


def test_each_kind_makes_and_removes_its_own() -> None:
    makers = host()
    for kind in SnapshotKind:
        there = Snapshot(kind, "x", "there", "/x", (Tier.VMAIL,))
        makers.take(there)
        maker = makers.makers[kind]
        assert isinstance(maker, Maker)
        assert maker.told == [("take", there)]
        assert makers.problem(there) == "problem of there"
        assert makers.remove(there) is True
        assert makers.remove(Snapshot(kind, "x", "gone", "/x", (Tier.VMAIL,))) is False


def test_what_is_mounted_below_is_told_but_not_a_look_into_a_zfs_snapshot(tmp_path: Path) -> None:
    base = tmp_path / "base"
    with (
        really_mounted(base / "tier", "-t", "tmpfs", "none") as tier,
        really_mounted(tier / "below", "-t", "tmpfs", "x"),
    ):
        volume = host().look(str(tier)).volume
        assert volume
        assert volume.mounts == (f"{tier}/below",)
        (number,) = [line.number for line in mounted() if line.point == f"{tier}/below"]
        lines = (
            f"1 0 0:50 / {tier} rw - zfs tank rw",
            f"{number} 1 0:51 / {tier}/below rw - zfs tank@some rw",
        )
        automounted = host(table(tmp_path, *lines)).look(str(tier)).volume
        assert automounted
        assert automounted.mounts == ()


def test_the_machines_own_are_of_three_kinds() -> None:
    assert set(HostSnapshots.of(SystemClock()).makers) == set(SnapshotKind)


def test_the_ways_to_a_folder_begin_with_its_own(tmp_path: Path) -> None:
    (first, *_) = sights(str(tmp_path))
    assert first.path == str(tmp_path)
    assert first.mount.filesystem
