"""The host's folders, on real file systems."""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from hermes_backup_core.adapters.trees import HostTrees
from tests.unit.adapters.mounting import mounted
from tests.unit.adapters.tree import make_everything, snapshot

TREES = HostTrees()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def acl(path: Path, *setting: str) -> None:
    subprocess.run(["setfacl", *setting, str(path)], check=True)


def test_a_link_is_something_and_no_folder(tmp_path: Path) -> None:
    (tmp_path / "folder" / "sub").mkdir(parents=True)
    (tmp_path / "link").symlink_to("folder")
    (tmp_path / "dangling").symlink_to("nowhere")
    assert [TREES.exists(f"{tmp_path}/{name}") for name in ("folder", "link", "dangling", "none")] == [
        *(True, True, True, False)
    ]
    assert [TREES.is_folder(f"{tmp_path}/{name}") for name in ("folder", "link", "dangling", "none")] == [
        *(True, False, False, False)
    ]
    assert [TREES.names(f"{tmp_path}/{name}") for name in ("folder", "link", "none")] == [{"sub"}, set(), set()]


def test_names_of_any_bytes(tmp_path: Path) -> None:
    (tmp_path / "caf\udce9").mkdir()
    assert TREES.names(str(tmp_path)) == {"caf\udce9"}
    TREES.rename(f"{tmp_path}/caf\udce9", f"{tmp_path}/\udcff")
    TREES.remove(f"{tmp_path}/\udcff")
    assert TREES.names(str(tmp_path)) == set()


class TestMountPoints:
    def test_those_below_less_what_another_hides(self, tmp_path: Path) -> None:
        with (
            mounted(tmp_path / "a b", "-t", "tmpfs", "none"),
            mounted(tmp_path / "a b" / "inner", "--bind", str(tmp_path)),
        ):
            assert TREES.mount_points(str(tmp_path)) == (f"{tmp_path}/a b", f"{tmp_path}/a b/inner")
            assert TREES.mount_points(f"{tmp_path}/a b") == (f"{tmp_path}/a b/inner",)
            assert TREES.mount_points(f"{tmp_path}/a") == ()
            with mounted(tmp_path / "a b", "-t", "tmpfs", "none"):
                assert TREES.mount_points(str(tmp_path)) == (f"{tmp_path}/a b",)
        assert TREES.mount_points(str(tmp_path)) == ()

    def test_nothing_is_removed_where_something_is_mounted(self, tmp_path: Path) -> None:
        (tmp_path / "top" / "sub").mkdir(parents=True)
        with mounted(tmp_path / "top" / "disk", "-t", "tmpfs", "none") as disk:
            (disk / "file").touch()
            for path in (tmp_path / "top", disk):
                with pytest.raises(OSError, match="something is mounted there") as caught:
                    TREES.remove(str(path))
                assert caught.value.filename == str(disk)
            assert (disk / "file").exists()
            assert (tmp_path / "top" / "sub").exists()
        TREES.remove(f"{tmp_path}/top")
        assert not (tmp_path / "top").exists()


def test_removing_takes_all_and_follows_no_link(tmp_path: Path) -> None:
    make_everything(tmp_path)
    (tmp_path / "safe").mkdir()
    (tmp_path / "safe" / "file").touch()
    (tmp_path / "to safe").symlink_to("safe")
    TREES.remove(f"{tmp_path}/to safe")
    for name in sorted(TREES.names(str(tmp_path)) - {"safe"}):
        TREES.remove(f"{tmp_path}/{name}")
    TREES.remove(f"{tmp_path}/none")
    assert TREES.names(str(tmp_path)) == {"safe"}
    assert (tmp_path / "safe" / "file").exists()


def test_a_folder_is_made_for_root_alone_with_those_above(tmp_path: Path) -> None:
    acl(tmp_path, "-d", "-m", "u:4711:rwx,o::rwx")
    TREES.make_folder(f"{tmp_path}/a/b/c")
    TREES.make_folder(f"{tmp_path}/a/b/c")
    assert [mode(tmp_path / name) for name in ("a", "a/b", "a/b/c")] == [0o700] * 3
    assert os.listxattr(tmp_path / "a/b/c") == []
    (tmp_path / "link").symlink_to("a")
    with pytest.raises(FileExistsError):
        TREES.make_folder(f"{tmp_path}/link")


def test_what_comes_and_goes_leaves_no_trace_in_the_times_of_the_folder_above(tmp_path: Path) -> None:
    os.utime(tmp_path, ns=(1_000_000_001, 2_000_000_002))
    TREES.make_folder(f"{tmp_path}/hidden/new")
    (tmp_path / "hidden/new/file").write_text("x")
    assert tmp_path.stat().st_mtime_ns == 2_000_000_002
    TREES.remove(f"{tmp_path}/hidden")
    assert tmp_path.stat().st_mtime_ns == 2_000_000_002


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir, lambda path: path.symlink_to("nowhere")])
def test_a_name_that_is_taken_is_not_renamed_over(tmp_path: Path, make: Callable[[Path], None]) -> None:
    (tmp_path / "a").mkdir()
    make(tmp_path / "taken")
    with pytest.raises(FileExistsError) as caught:
        TREES.rename(f"{tmp_path}/a", f"{tmp_path}/taken")
    assert caught.value.filename == f"{tmp_path}/taken"
    TREES.rename(f"{tmp_path}/a", f"{tmp_path}/b")
    assert TREES.names(str(tmp_path)) == {"b", "taken"}


class TestReplace:
    """`new` takes the place of `live`, which goes on as `old`."""

    @pytest.fixture(params=["hard links", "no hard links"])
    def place(self, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Path:
        if request.param == "no hard links":

            def refuse(*_: object, **__: object) -> None:
                raise OSError(errno.EPERM, "Operation not permitted")

            monkeypatch.setattr(os, "link", refuse)
        (tmp_path / "new").write_bytes(b"new")
        (tmp_path / "live").write_bytes(b"live")
        os.chown(tmp_path / "live", 4711, 4712)
        (tmp_path / "live").chmod(0o4640)
        os.setxattr(tmp_path / "live", "user.note", b"kept")
        os.utime(tmp_path / "live", ns=(1, 1_500_000_000_000_000_001))
        return tmp_path

    def forward(self, place: Path) -> None:
        TREES.replace(f"{place}/new", f"{place}/live", f"{place}/old")

    def back(self, place: Path) -> None:
        TREES.replace(f"{place}/old", f"{place}/live", f"{place}/new")

    def state(self, place: Path) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in place.iterdir()}

    def test_there_and_back_any_number_of_times(self, place: Path) -> None:
        before = snapshot(place)
        for _ in range(2):
            self.forward(place)
            self.forward(place)
            assert self.state(place) == {"live": b"new", "old": b"live"}
            self.back(place)
            self.back(place)
            assert {name: look for name, look in snapshot(place).items() if name != b"."} == {
                name: look for name, look in before.items() if name != b"."
            }

    @pytest.mark.parametrize("way", ["forward", "back"])
    def test_broken_off_between_the_second_name_and_the_rename(
        self, place: Path, way: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as broken:
            broken.setattr("hermes_backup_core.adapters.trees.flush_folder", broken_off)
            with pytest.raises(KeyboardInterrupt):
                self.forward(place)
        assert self.state(place) == {"live": b"live", "old": b"live", "new": b"new"}
        if way == "forward":
            self.forward(place)
            assert self.state(place) == {"live": b"new", "old": b"live"}
        else:
            self.back(place)
            assert self.state(place) == {"live": b"live", "new": b"new"}

    def test_a_copy_that_was_broken_off_is_begun_anew(self, place: Path) -> None:
        (place / "old.new").write_bytes(b"half")
        self.forward(place)
        assert self.state(place)["old"] == b"live"

    def test_without_anything_to_put_there_nothing_happens(self, place: Path) -> None:
        (place / "new").unlink()
        with pytest.raises(FileNotFoundError):
            self.forward(place)
        assert self.state(place) == {"live": b"live"}

    def test_a_link_stays_one(self, place: Path) -> None:
        (place / "live").unlink()
        (place / "live").symlink_to("nowhere")
        self.forward(place)
        assert os.readlink(place / "old") == "nowhere"

    def test_any_other_trouble_is_told(self, place: Path) -> None:
        with pytest.raises(FileNotFoundError):
            TREES.replace(f"{place}/new", f"{place}/live", f"{place}/none/old")
        assert self.state(place) == {"live": b"live", "new": b"new"}


def broken_off(_: object) -> None:
    raise KeyboardInterrupt


def test_any_other_trouble_with_a_second_name_passes_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "link", fail)
    (tmp_path / "new").touch()
    (tmp_path / "live").touch()
    with pytest.raises(OSError, match="Input/output"):
        TREES.replace(f"{tmp_path}/new", f"{tmp_path}/live", f"{tmp_path}/old")


class TestShape:
    def test_a_folder_looks_like_the_other(self, tmp_path: Path) -> None:
        pattern, folder = tmp_path / "pattern", tmp_path / "folder"
        pattern.mkdir()
        folder.mkdir()
        os.chown(pattern, 4711, 4712)
        pattern.chmod(0o2750)
        acl(pattern, "-m", "u:12:rwx")
        acl(pattern, "-d", "-m", "u:13:rwx")
        os.setxattr(pattern, "user.note", b"as here")
        os.setxattr(folder, "user.note", b"other")
        os.setxattr(folder, "user.more", b"goes")
        os.utime(pattern, ns=(5_000_000_001, 1_500_000_000_000_000_001))
        TREES.shape_like(str(folder), str(pattern))
        assert folder.stat().st_atime_ns == 5_000_000_001
        assert snapshot(folder) == snapshot(pattern)

    def test_what_the_other_lacks_goes(self, tmp_path: Path) -> None:
        pattern, folder = tmp_path / "pattern", tmp_path / "folder"
        pattern.mkdir(mode=0o755)
        folder.mkdir()
        acl(folder, "-m", "u:12:rwx")
        acl(folder, "-d", "-m", "u:13:rwx")
        TREES.shape_like(str(folder), str(pattern))
        assert snapshot(folder) == snapshot(pattern)

    def test_no_link_is_followed(self, tmp_path: Path) -> None:
        (tmp_path / "folder").mkdir()
        (tmp_path / "link").symlink_to("folder")
        for pair in (("link", "folder"), ("folder", "link")):
            with pytest.raises(NotADirectoryError):
                TREES.shape_like(*(f"{tmp_path}/{name}" for name in pair))


def test_files_get_an_owner_and_a_mode_and_links_and_folders_do_not(tmp_path: Path) -> None:
    (tmp_path / "pattern").touch()
    os.chown(tmp_path / "pattern", 55, 66)
    (tmp_path / "pattern").chmod(0o600)
    (tmp_path / "db" / "sub").mkdir(parents=True)
    (tmp_path / "outside").touch()
    (tmp_path / "db" / "link").symlink_to("../outside")
    (tmp_path / "db" / "data.mdb").touch()
    TREES.own_like(f"{tmp_path}/db", f"{tmp_path}/pattern")
    changed = (tmp_path / "db" / "data.mdb").stat()
    assert (changed.st_uid, changed.st_gid, mode(tmp_path / "db" / "data.mdb")) == (55, 66, 0o600)
    assert [(tmp_path / name).lstat().st_uid for name in ("db/sub", "db/link", "outside")] == [0, 0, 0]


def test_writing_keeps_the_file_and_makes_none(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"longer than what comes")
    os.chown(path, 55, 66)
    path.chmod(0o640)
    before = path.stat()
    TREES.write(str(path), b"short")
    after = path.stat()
    assert path.read_bytes() == b"short"
    assert (after.st_ino, after.st_uid, after.st_gid, after.st_mode) == (before.st_ino, 55, 66, before.st_mode)
    with pytest.raises(FileNotFoundError):
        TREES.write(f"{tmp_path}/none", b"")
    (tmp_path / "link").symlink_to("file")
    with pytest.raises(OSError, match="symbolic links"):
        TREES.write(f"{tmp_path}/link", b"")


def test_flushing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    TREES.flush(str(tmp_path))
    TREES.flush(f"{tmp_path}/file")
    with pytest.raises(FileNotFoundError):
        TREES.flush(f"{tmp_path}/none")
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: SimpleNamespace(syncfs=lambda _: -1))
    monkeypatch.setattr(ctypes, "get_errno", lambda: errno.EIO)
    with pytest.raises(OSError, match="Input/output error") as caught:
        TREES.flush(str(tmp_path))
    assert caught.value.filename == str(tmp_path)
