"""The paths by which mounts show one and the same folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hermes_backup_core.adapters.files import HostFiles


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """A folder that stands for a disk's mount point, and a second name (a link) for one below it."""
    (tmp_path / "disk/vmail/backups").mkdir(parents=True)
    (tmp_path / "bound").symlink_to("disk/vmail/backups")
    return tmp_path


def files(folder: Path, *mounts: tuple[str, str, str]) -> HostFiles:
    """Where `mounts` (device, root, point) are all there are."""
    lines = [f"36 35 {device} {root} {point} rw shared:1 - ext4 /dev/sda1 rw\n" for device, root, point in mounts]
    (folder / "mountinfo").write_text("".join(lines))
    return HostFiles(mounts=str(folder / "mountinfo"))


def test_a_folder_of_a_disk_has_one_way(disk: Path) -> None:
    backups = f"{disk}/disk/vmail/backups"
    assert files(disk, ("8:1", "/", "/"), ("8:2", "/", f"{disk}/disk")).ways(backups) == (backups,)
    assert files(disk, ("8:1", "/", "/")).ways(f"{disk}/bound") == (backups,)
    assert files(disk).ways(backups) == (backups,)


def test_a_folder_below_a_bind_mount_is_also_where_it_was_bound_from(disk: Path) -> None:
    """The mount is told of here and not made: the table says that /other shows the disk's folder."""
    other, backups = disk / "other", disk / "disk/vmail/backups"
    table = (("8:1", "/", "/"), ("8:2", "/", f"{disk}/disk"), ("8:2", "/vmail", str(other)))
    assert files(disk, *table).ways(str(backups)) == (str(backups),)
    other.symlink_to("disk/vmail")
    assert files(disk, *table).ways(str(backups)) == (str(backups), f"{other}/backups")


def test_a_way_that_another_mount_covers_is_none(disk: Path) -> None:
    (disk / "other/backups").mkdir(parents=True)
    table = (("8:2", "/", f"{disk}/disk"), ("8:2", "/vmail", f"{disk}/other"), ("8:3", "/", f"{disk}/other/backups"))
    assert files(disk, *table).ways(f"{disk}/disk/vmail/backups") == (f"{disk}/disk/vmail/backups",)


def test_of_two_mounts_at_one_place_the_later_counts(disk: Path) -> None:
    (disk / "elsewhere").symlink_to("disk/vmail")
    table = (("8:2", "/", f"{disk}/disk"), ("8:3", "/", f"{disk}/disk"), ("8:3", "/vmail", f"{disk}/elsewhere"))
    backups = f"{disk}/disk/vmail/backups"
    assert files(disk, *table).ways(backups) == (backups, f"{disk}/elsewhere/backups")


@pytest.fixture
def bound(tmp_path: Path) -> Iterator[Path]:
    """A real bind mount, at a place with a blank in its name."""
    source, target = tmp_path / "source/folder", tmp_path / "a place"
    source.mkdir(parents=True)
    target.mkdir()
    assert os.spawnlp(os.P_WAIT, "mount", "mount", "--bind", str(source.parent), str(target)) == 0
    yield target
    assert os.spawnlp(os.P_WAIT, "umount", "umount", str(target)) == 0


def test_a_real_bind_mount_is_seen_through(bound: Path) -> None:
    source = str(bound.parent / "source/folder")
    first, *others = HostFiles().ways(f"{bound}/folder")
    assert first == f"{bound}/folder"
    assert source in others
