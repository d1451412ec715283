"""Pins: made beside where the backup really lies, for whole backups only, and taken away again."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from hermes_backup_core.archive.reader import DamagedBackup, NotABackup
from hermes_backup_core.cli.pinning import NothingToPin, pin, unpin
from tests.backups import cut_short, lay_down

STAMP = "20260601T103000Z"


def keep_of(path: Path) -> Path:
    return Path(f"{path}.keep")


def test_a_pin_is_an_empty_file_for_its_owner_alone(tmp_path: Path) -> None:
    path = lay_down(tmp_path, STAMP)
    assert pin(str(path), dry_run=False) == f"{path}.keep is made: no retention removes the backup any more"
    found = keep_of(path).stat()
    assert (found.st_size, stat.S_IMODE(found.st_mode)) == (0, 0o600)


def test_one_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    path = lay_down(tmp_path, STAMP)
    keep_of(path).write_text("asked for by the auditors")
    assert pin(str(path), dry_run=False) == f"{path} is pinned already, by {path}.keep"
    assert keep_of(path).read_text() == "asked for by the auditors"


def test_a_pin_is_where_retention_looks_for_it_whatever_link_was_typed(tmp_path: Path) -> None:
    path = lay_down(tmp_path, STAMP)
    (tmp_path / "latest").symlink_to(path.name)
    pin(str(tmp_path / "latest"), dry_run=False)
    assert keep_of(path).exists()
    assert not keep_of(tmp_path / "latest").exists()
    unpin(str(tmp_path / "latest"), dry_run=False)
    assert not keep_of(path).exists()


def test_what_is_not_whole_is_not_pinned(tmp_path: Path) -> None:
    path = lay_down(tmp_path, STAMP)
    cut_short(path)
    with pytest.raises(DamagedBackup):
        pin(str(path), dry_run=False)
    path.write_bytes(b"no backup" * 100)
    with pytest.raises(NotABackup):
        pin(str(path), dry_run=False)
    assert not keep_of(path).exists()


@pytest.mark.parametrize("name", ["typo.tar", "folder"])
def test_what_is_no_file_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(NothingToPin, match=rf"--pin .*/{name} is not there or is no file: give it the path"):
        pin(f"{tmp_path}/{name}", dry_run=False)
    with pytest.raises(NothingToPin, match=rf"--unpin .*/{name} is not there or is no file"):
        unpin(f"{tmp_path}/{name}", dry_run=False)


def test_a_pin_is_taken_away_once(tmp_path: Path) -> None:
    path = lay_down(tmp_path, STAMP)
    pin(str(path), dry_run=False)
    assert unpin(str(path), dry_run=False) == f"{path}.keep is removed: the backup is not pinned any more"
    assert unpin(str(path), dry_run=False) == f"{path} is not pinned: there is no {path}.keep"


def test_the_pin_of_a_backup_that_is_gone_is_taken_away(tmp_path: Path) -> None:
    keep_of(tmp_path / "b.tar").touch()
    unpin(f"{tmp_path}/b.tar", dry_run=False)
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_changes_nothing(tmp_path: Path) -> None:
    path = lay_down(tmp_path, STAMP)
    assert ".keep would be made: " in pin(str(path), dry_run=True)
    assert not keep_of(path).exists()
    keep_of(path).touch()
    assert ".keep would be removed: " in unpin(str(path), dry_run=True)
    assert keep_of(path).exists()
