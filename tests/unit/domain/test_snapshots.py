"""Which tiers are packed from which snapshot, and why others cannot be."""

from __future__ import annotations

import pytest
from attrs import evolve

from hermes_backup_core.domain.scope import Tier
from hermes_backup_core.domain.selection import TierSelection
from hermes_backup_core.domain.snapshots import (
    Ground,
    Reserve,
    Snapshot,
    SnapshotKind,
    SnapshotPlan,
    Volume,
    is_snapshot,
    label,
    plan_snapshots,
)
from tests.unit.domain.facts import TOPOLOGY

MIB = 1 << 20
VMAIL = TierSelection("/mnt/vmail")
LABEL = "hermes-backup-snapshot-20260601T103000Z-12345678"


def volume(kind: SnapshotKind = SnapshotKind.BTRFS, name: str = "/mnt/vmail", **changes: object) -> Volume:
    root = name if kind is SnapshotKind.BTRFS else "/mnt/vmail"
    return evolve(Volume(kind, name, f"{kind.value} {name}", root), **changes)  # type: ignore[arg-type]


def planned(*tiers: tuple[Tier, Volume]) -> SnapshotPlan:
    return plan_snapshots([(tier, TOPOLOGY.select(tier), Ground(found)) for tier, found in tiers], LABEL)


def alone(found: Volume, selection: TierSelection = VMAIL) -> SnapshotPlan:
    return plan_snapshots([(Tier.VMAIL, selection, Ground(found))], LABEL)


def test_a_subvolume_has_its_snapshot_in_a_hidden_folder_of_its_own() -> None:
    plan = alone(volume())
    place = f"/mnt/vmail/.{LABEL}-1"
    assert plan.snapshots == (Snapshot(SnapshotKind.BTRFS, "/mnt/vmail", place, place, (Tier.VMAIL,)),)
    assert (plan.places, plan.live) == ({Tier.VMAIL: place}, {})
    assert str(plan.snapshots[0]) == "/mnt/vmail (btrfs)"


def test_a_tier_below_the_root_of_a_subvolume_is_read_at_the_same_place_below_its_snapshot() -> None:
    plan = alone(volume(name="/mnt", inside="vmail"))
    assert plan.places == {Tier.VMAIL: f"/mnt/.{LABEL}-1/vmail"}


def test_a_dataset_is_read_below_its_own_hidden_folder() -> None:
    (snapshot,) = alone(volume(SnapshotKind.ZFS, "tank/vmail")).snapshots
    assert (snapshot.of, snapshot.name) == ("tank/vmail", f"tank/vmail@{LABEL}-1")
    assert snapshot.place == f"/mnt/vmail/.zfs/snapshot/{LABEL}-1"


def test_a_logical_volume_has_its_snapshot_in_its_group_and_mounted_below_run() -> None:
    reserve = Reserve("vg", 100 * MIB, 200 * MIB)
    found = volume(SnapshotKind.LVM, "vg/mail", inside="vmail", reserve=reserve, filesystem="xfs")
    plan = alone(found)
    assert plan.snapshots == (
        Snapshot(*(SnapshotKind.LVM, "vg/mail", f"vg/{LABEL}-1", f"/run/{LABEL}-1"), (Tier.VMAIL,), 100 * MIB, "xfs"),
    )
    assert plan.places == {Tier.VMAIL: f"/run/{LABEL}-1/vmail"}
    assert str(plan.snapshots[0]) == "vg/mail (lvm, 100.0 MiB kept for changes)"


def test_tiers_on_one_volume_share_one_snapshot_also_where_they_see_it_at_two_places() -> None:
    one = volume(name="/mnt", inside="data")
    other = evolve(one, name="/srv", root="/srv", inside="vmail")
    plan = planned((Tier.DATA, one), (Tier.VMAIL, other), (Tier.ARCHIVE, volume(name="/mnt/archive")))
    assert [(snapshot.of, snapshot.tiers) for snapshot in plan.snapshots] == [
        ("/mnt", (Tier.DATA, Tier.VMAIL)),
        ("/mnt/archive", (Tier.ARCHIVE,)),
    ]
    assert plan.places[Tier.VMAIL] == f"/mnt/.{LABEL}-1/vmail"
    assert plan.places[Tier.ARCHIVE] == f"/mnt/archive/.{LABEL}-2"


def test_a_tier_on_a_plain_file_system_says_so() -> None:
    grounds = [Ground(problem="it lies on ext4"), Ground(unknown="only root can find out")]
    tiers = zip((Tier.DATA, Tier.VMAIL), grounds, strict=True)
    plan = plan_snapshots([(tier, TOPOLOGY.select(tier), ground) for tier, ground in tiers], LABEL)
    assert plan == SnapshotPlan(live={Tier.DATA: "it lies on ext4", Tier.VMAIL: "only root can find out"})


def test_a_folder_that_the_snapshot_leaves_empty_stands_in_the_way_only_where_the_tier_packs_it() -> None:
    data = TOPOLOGY.select(Tier.DATA)
    found = volume(name="/mnt/data", mounts=("/mnt/data/dbase",), subvolumes=("/mnt/data/clamav",))
    assert alone(found, data).live == {}
    found = evolve(found, mounts=("/mnt/data/dbase", "/mnt/data/nginx"), subvolumes=("/mnt/data/x", "/mnt/data/y"))
    assert alone(found, data).live == {
        Tier.VMAIL: "another file system is mounted at /mnt/data/nginx, which a snapshot would leave empty; "
        "there is a subvolume of its own at /mnt/data/x, /mnt/data/y, which a snapshot would leave empty"
    }


def test_a_folder_of_another_tier_on_the_way_to_one_of_its_own_stands_in_the_way_too() -> None:
    selection = TierSelection("/mnt/one", ("", "dovecot/sieve"), ("dovecot",))
    found = volume(name="/mnt/one", mounts=("/mnt/one/dovecot",))
    assert alone(found, selection).snapshots == ()


def test_room_in_a_volume_group_is_counted_once_for_each_volume() -> None:
    group = Reserve("vg", 100 * MIB, 150 * MIB)
    first, second, other = (volume(SnapshotKind.LVM, f"vg/{name}", reserve=group) for name in ("a", "b", "c"))
    elsewhere = evolve(other, reserve=evolve(group, pool="other"))
    plan = planned((Tier.DATA, first), (Tier.VMAIL, second), (Tier.ARCHIVE, second), (Tier.NEXTCLOUD, elsewhere))
    why = (
        "a snapshot of vg/b needs 100.0 MiB of the volume group vg, which has 150.0 MiB free, of which 100.0 MiB are "
        "for other snapshots"
    )
    assert plan.live == {Tier.VMAIL: why, Tier.ARCHIVE: why}
    assert [snapshot.name for snapshot in plan.snapshots] == [f"vg/{LABEL}-1", f"vg/{LABEL}-2"]
    assert plan.snapshots[1].of == "vg/c"


def test_too_little_room_for_the_first_is_told_with_figures() -> None:
    plan = alone(volume(SnapshotKind.LVM, "vg/a", reserve=Reserve("vg", 100 * MIB, 4 * MIB)))
    why = "a snapshot of vg/a needs 100.0 MiB of the volume group vg, which has 4.0 MiB free"
    assert plan.live == {Tier.VMAIL: why}


@pytest.mark.parametrize(("name", "expected"), [(f".{LABEL}-1", True), (LABEL, False), (".hermes-restore-x", False)])
def test_a_snapshot_is_known_by_its_name(name: str, expected: bool) -> None:
    assert is_snapshot(name) is expected


def test_two_install_roots_give_their_snapshots_names_of_their_own() -> None:
    one, other = (label(root, "20260601T103000Z") for root in ("/opt/a", "/opt/b"))
    assert one != other
    assert one.startswith("hermes-backup-snapshot-20260601T103000Z-")
