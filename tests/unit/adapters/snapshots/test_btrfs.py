"""Btrfs snapshots, by what btrfs-progs 6.2 printed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve

from hermes_backup_core.adapters.mounts import MountLine, Sight
from hermes_backup_core.adapters.snapshots.btrfs import Btrfs
from hermes_backup_core.domain.errors import CommandFailed, SnapshotLeft
from hermes_backup_core.domain.scope import Tier
from hermes_backup_core.domain.snapshots import Ground, Snapshot, SnapshotKind, Volume
from tests.unit.adapters.programs import Programs, programs

LISTED = """\
ID 257 gen 7 top level 256 path @mail/nested
ID 258 gen 7 top level 256 path @mail/dovecot/x/deep
ID 259 gen 7 top level 256 path @mail/.hermes-backup-snapshot-1
ID 260 gen 7 top level 256 path @mail/dovecot/od
d ID 3 path x
"""


@pytest.fixture
def tools(tmp_path: Path) -> Iterator[Programs]:
    with programs(tmp_path / "bin", "btrfs") as made:
        made.say("subvolume list -o", LISTED)
        yield made


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    (tmp_path / "disk/@mail/dovecot").mkdir(parents=True)
    return tmp_path / "disk"


def sight(point: Path, root: str = "/", folder: str = "") -> Sight:
    line = MountLine("36", "0:50", root, str(point), "btrfs", "/dev/loop0")
    return Sight(line, os.path.join(point, folder) if folder else str(point))


def btrfs(*subvolumes: Path) -> Btrfs:
    return Btrfs(lambda path: path in set(map(str, subvolumes)))


def snapshot_of(subvolume: Path) -> Snapshot:
    place = f"{subvolume}/.hermes-backup-snapshot-1"
    return Snapshot(SnapshotKind.BTRFS, str(subvolume), place, place, (Tier.VMAIL,))


def test_a_mounted_subvolume_is_found_with_what_is_nested_in_it(disk: Path, tools: Programs) -> None:
    mail = disk / "@mail"
    found = btrfs(mail).look((sight(mail, "/@mail"),)).volume
    nested = (f"{mail}/nested", f"{mail}/dovecot/x/deep", f"{mail}/dovecot/od\nd ID 3 path x")
    key = f"btrfs {os.stat(mail).st_dev}"
    assert found == Volume(SnapshotKind.BTRFS, str(mail), key, str(mail), subvolumes=nested)
    assert tools.commands() == [f"btrfs subvolume list -o {mail}"]


def test_a_folder_below_a_subvolume_has_only_what_is_nested_in_itself(disk: Path, tools: Programs) -> None:
    mail = disk / "@mail"
    found = btrfs(mail, disk).look((sight(disk, folder="@mail/dovecot"),)).volume
    assert found
    assert (found.name, found.inside) == (str(mail), "dovecot")
    assert found.subvolumes == (f"{mail}/dovecot/x/deep", f"{mail}/dovecot/od\nd ID 3 path x")


def test_a_folder_that_is_mounted_without_the_root_above_it_is_looked_for_by_other_ways(
    disk: Path, tmp_path: Path, tools: Programs
) -> None:
    bound = sight(tmp_path / "bound", "/@mail/dovecot")
    found = btrfs(disk / "@mail").look((bound, sight(disk / "@mail", "/@mail", "dovecot"))).volume
    assert found
    assert (found.name, found.inside) == (str(disk / "@mail"), "dovecot")
    assert found.subvolumes == (f"{tmp_path}/bound/x/deep", f"{tmp_path}/bound/od\nd ID 3 path x")
    said = f"the root of the subvolume that {tmp_path}/bound lies in is mounted nowhere"
    assert btrfs(disk / "@mail").look((bound,)) == Ground(problem=said)


def test_without_the_program_it_says_which_package_has_it(disk: Path, tmp_path: Path) -> None:
    with programs(tmp_path / "bin"):
        ground = btrfs(disk).look((sight(disk),))
    assert ground == Ground(problem="`btrfs` is not there, which the package btrfs-progs has")


def test_a_program_that_fails_is_quoted(disk: Path, tmp_path: Path) -> None:
    with programs(tmp_path / "bin", "btrfs") as made:
        made.say("list", err="ERROR: can't perform the search: Input/output error\n", code=1)
        assert "can't perform the search" in btrfs(disk).look((sight(disk),)).problem


def test_only_root_is_told(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "only root" in btrfs(disk).look((sight(disk),)).unknown


def test_a_snapshot_is_made_read_only_and_never_inside_something_that_is_there(disk: Path, tools: Programs) -> None:
    snapshot = snapshot_of(disk / "@mail")
    tools.say("subvolume snapshot", f"Create a readonly snapshot of '{snapshot.of}' in '{snapshot.name}'\n")
    btrfs(disk / "@mail").take(snapshot)
    assert tools.commands() == [f"btrfs subvolume snapshot -r {snapshot.of} {snapshot.name}"]
    assert Btrfs().problem(snapshot) is None
    os.mkdir(snapshot.name)
    with pytest.raises(FileExistsError):
        btrfs(disk / "@mail").take(snapshot)


def test_a_snapshot_is_removed_once(disk: Path, tools: Programs) -> None:
    snapshot, maker = snapshot_of(disk / "@mail"), btrfs(disk / "@mail")
    assert maker.remove(snapshot) is False
    os.mkdir(snapshot.name)
    tools.say("subvolume delete", f"Delete subvolume (commit): '{snapshot.name}'\n")
    assert maker.remove(snapshot) is True
    assert tools.commands() == [f"btrfs subvolume delete --commit-after {snapshot.name}"]


def test_what_cannot_be_removed_is_told_with_what_to_type(disk: Path, tools: Programs) -> None:
    snapshot = snapshot_of(disk / "@mail")
    os.mkdir(snapshot.name)
    tools.say("subvolume delete", err="ERROR: Could not destroy subvolume/snapshot: Read-only file system\n", code=1)
    with pytest.raises(SnapshotLeft) as caught:
        btrfs(disk / "@mail").remove(snapshot)
    assert "Read-only file system" in str(caught.value)
    assert str(caught.value).endswith(f"run `btrfs subvolume delete --commit-after {snapshot.name}`")
    assert isinstance(caught.value.__cause__, CommandFailed)


def test_a_subvolume_whose_disk_is_not_mounted_is_not_taken_for_one_without_a_snapshot(disk: Path) -> None:
    snapshot = evolve(snapshot_of(disk / "@mail"), of=f"{disk}/no one's")
    with pytest.raises(SnapshotLeft, match="is no btrfs subvolume now: mount it as it was"):
        Btrfs().remove(snapshot)
    with pytest.raises(SnapshotLeft, match="is no btrfs subvolume now"):
        Btrfs().remove(evolve(snapshot, of=f"{disk}/nothing"))
