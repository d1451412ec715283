"""ZFS snapshots, by what its manual pages and public examples show; nothing here was run on a ZFS."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve

from hermes_backup_core.adapters.mounts import MountLine, Sight
from hermes_backup_core.adapters.snapshots.zfs import Zfs
from hermes_backup_core.domain.errors import CommandFailed, SnapshotLeft
from hermes_backup_core.domain.scope import Tier
from hermes_backup_core.domain.snapshots import Ground, Snapshot, SnapshotKind, Volume
from tests.unit.adapters.programs import Programs, programs

NAME = "tank/vmail@hermes-backup-snapshot-1"
NOT_THERE = f"cannot open '{NAME}': dataset does not exist\n"


@pytest.fixture
def tools(tmp_path: Path) -> Iterator[Programs]:
    with programs(tmp_path / "bin", "zfs") as made:
        yield made


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    return Snapshot(SnapshotKind.ZFS, "tank/vmail", NAME, f"{tmp_path}/vmail/.zfs/snapshot/1", (Tier.VMAIL,))


def sight(point: str, root: str = "/", path: str = "") -> Sight:
    return Sight(MountLine("36", "0:50", root, point, "zfs", "tank/vmail"), path or point)


def test_a_dataset_is_found_by_what_is_mounted(tools: Programs) -> None:
    tools.say("zfs list -H -o name tank/vmail", "tank/vmail\n")
    found = Zfs().look((sight("/mnt/vmail", path="/mnt/vmail/below"),))
    assert found == Ground(Volume(SnapshotKind.ZFS, "tank/vmail", "zfs tank/vmail", "/mnt/vmail", "below"))


def test_a_folder_of_a_dataset_alone_is_looked_for_by_other_ways(tools: Programs) -> None:
    tools.say("zfs list -H -o name tank/vmail", "tank/vmail\n")
    bound = sight("/srv/mail", "/below")
    found = Zfs().look((bound, sight("/tank", path="/tank/below"))).volume
    assert found
    assert (found.root, found.inside) == ("/tank", "below")
    assert "is mounted nowhere" in Zfs().look((bound,)).problem


def test_without_the_program_it_says_which_package_has_it(tmp_path: Path) -> None:
    with programs(tmp_path / "bin"):
        assert "zfsutils-linux" in Zfs().look((sight("/mnt/vmail"),)).problem


def test_only_root_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "only root" in Zfs().look((sight("/mnt/vmail"),)).unknown


def test_a_snapshot_is_made_and_looked_into(tools: Programs, snapshot: Snapshot) -> None:
    tools.say("zfs snapshot")
    with pytest.raises(FileNotFoundError):
        Zfs().take(snapshot)
    os.makedirs(snapshot.place)
    Zfs().take(snapshot)
    assert tools.commands() == [f"zfs snapshot {NAME}"] * 2
    assert Zfs().problem(snapshot) is None


def test_exactly_the_snapshot_is_destroyed(tools: Programs, snapshot: Snapshot) -> None:
    tools.say("zfs list", f"{NAME}\n")
    tools.say("zfs destroy")
    assert Zfs().remove(snapshot) is True
    assert tools.commands() == [f"zfs list -H -t snapshot -o name {NAME}", f"zfs destroy {NAME}"]


def test_one_that_is_gone_is_no_problem_where_the_dataset_is_there(tools: Programs, snapshot: Snapshot) -> None:
    tools.say("zfs list -H -t snapshot", err=NOT_THERE, code=1)
    tools.say("zfs list -H -o name tank/vmail", "tank/vmail\n")
    assert Zfs().remove(snapshot) is False


@pytest.mark.parametrize("said", [NOT_THERE, "cannot open: Input/output error\n"])
def test_a_pool_that_cannot_be_asked_is_told_with_what_to_type(tools: Programs, snapshot: Snapshot, said: str) -> None:
    tools.say("zfs list", err=said, code=1)
    with pytest.raises(SnapshotLeft, match=f"run `zfs destroy {NAME}`"):
        Zfs().remove(snapshot)


def test_a_snapshot_that_stays_is_told_with_what_to_type(tools: Programs, snapshot: Snapshot) -> None:
    tools.say("zfs list", f"{NAME}\n")
    tools.say("zfs destroy", err=f"cannot destroy snapshot {NAME}: dataset is busy\n", code=1)
    with pytest.raises(SnapshotLeft, match=r"dataset is busy\): run `zfs destroy") as caught:
        Zfs().remove(evolve(snapshot, of="tank/vmail"))
    assert isinstance(caught.value.__cause__, CommandFailed)
