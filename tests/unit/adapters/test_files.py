"""The host's file systems."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hermes_backup_core.adapters.files import HostFiles, OutputUnusable
from hermes_backup_core.domain.host import TierSize
from hermes_backup_core.domain.selection import TierSelection

FILES = HostFiles()
BLOCK = 4096
NOBODY = 65534


def host_with(folder: Path, *, fstab: bytes, mounted: list[str]) -> HostFiles:
    (folder / "fstab").write_bytes(fstab)
    lines = [f"36 35 98:0 / {point} rw,noatime shared:1 - ext4 /dev/sda1 rw\n" for point in ["/", *mounted]]
    (folder / "mountinfo").write_text("".join(lines))
    return HostFiles(str(folder / "fstab"), str(folder / "mountinfo"))


class TestUnmounted:
    FSTAB = b"""\
# <file system> <mount point>   <type>  <options>
  # UUID=1 /mnt/comment ext4 defaults 0 0
UUID=0\t/\text4\terrors=remount-ro 0 1
UUID=1  /mnt/data  ext4 defaults 0 2

UUID=2 /mnt/data/vmail ext4 defaults
UUID=3 /mnt/optional ext4 user,noauto 0 0
UUID=4 /mnt/with\\040blank ext4
UUID=5 none swap sw 0 0
UUID=6 /mnt/data2 ext4 nofail,x-systemd.automount 0 0
short
"""

    @pytest.mark.parametrize(
        ("folder", "mounted", "expected"),
        [
            ("/mnt/data", [], ("/mnt/data", "/mnt/data/vmail")),
            ("/mnt/data", ["/mnt/data"], ("/mnt/data/vmail",)),
            ("/mnt/data/vmail/dovecot", ["/mnt/data", "/mnt/data/vmail"], ()),
            ("/mnt/data2/x", ["/mnt/data"], ("/mnt/data2",)),
            ("/mnt/optional", [], ()),
            ("/mnt/with blank", [], ("/mnt/with blank",)),
            ("/mnt/with blank", ["/mnt/with\\040blank"], ()),
            ("/srv", [], ()),
        ],
    )
    def test_what_fstab_promises_at_above_or_below_a_folder_and_nobody_mounted(
        self, tmp_path: Path, folder: str, mounted: list[str], expected: tuple[str, ...]
    ) -> None:
        assert host_with(tmp_path, fstab=self.FSTAB, mounted=mounted).unmounted(folder) == expected

    def test_a_mount_point_that_is_a_link_counts_where_it_leads(self, tmp_path: Path) -> None:
        (tmp_path / "disk").mkdir()
        (tmp_path / "link").symlink_to(tmp_path / "disk")
        fstab = f"UUID=1 {tmp_path}/link ext4\n".encode()
        assert host_with(tmp_path, fstab=fstab, mounted=[f"{tmp_path}/disk"]).unmounted(f"{tmp_path}/disk") == ()
        expected = (f"{tmp_path}/disk",)
        assert host_with(tmp_path, fstab=fstab, mounted=[]).unmounted(f"{tmp_path}/disk") == expected

    def test_without_an_fstab_nothing_is_promised(self, tmp_path: Path) -> None:
        files = host_with(tmp_path, fstab=b"", mounted=[])
        (tmp_path / "fstab").unlink()
        assert files.unmounted("/mnt") == ()

    def test_names_that_are_no_utf8_do_no_harm(self, tmp_path: Path) -> None:
        files = host_with(tmp_path, fstab=b"UUID=1 /mnt/caf\xe9 ext4\n", mounted=[])
        assert files.unmounted("/mnt") == (os.fsdecode(b"/mnt/caf\xe9"),)

    def test_an_escaped_name_is_compared_by_its_bytes(self, tmp_path: Path) -> None:
        fstab = b"UUID=1 /mnt/\\303\\251 ext4\n"
        assert host_with(tmp_path, fstab=fstab, mounted=["/mnt/é"]).unmounted("/mnt/é") == ()
        assert host_with(tmp_path, fstab=fstab, mounted=[]).unmounted("/mnt/é") == ("/mnt/é",)

    def test_on_this_machine_the_root_is_mounted(self) -> None:
        assert "/" not in HostFiles().unmounted("/")


class TestWays:
    """One folder seen at two places; here links stand for the bind mounts that mountinfo tells of."""

    def host(self, folder: Path, *lines: str) -> HostFiles:
        (folder / "mountinfo").write_text("".join(f"36 35 {line} rw shared:1 - ext4 /dev/sda1 rw\n" for line in lines))
        return HostFiles(mounts=str(folder / "mountinfo"))

    @pytest.fixture
    def disk(self, tmp_path: Path) -> Path:
        (tmp_path / "disk" / "vmail" / "dovecot").mkdir(parents=True)
        (tmp_path / "seen").symlink_to("disk/vmail")
        return tmp_path

    def test_a_folder_is_seen_at_its_own_place_and_through_a_bind_mount(self, disk: Path) -> None:
        files = self.host(disk, "8:1 / /", f"8:2 / {disk}/disk", f"8:2 /vmail {disk}/seen")
        assert files.ways(f"{disk}/disk/vmail/dovecot") == (f"{disk}/disk/vmail/dovecot", f"{disk}/seen/dovecot")
        assert files.ways(f"{disk}/disk") == (f"{disk}/disk",)

    def test_another_disk_is_no_way_to_it(self, disk: Path) -> None:
        files = self.host(disk, "8:1 / /", f"8:2 / {disk}/disk", f"8:3 /vmail {disk}/seen")
        assert files.ways(f"{disk}/disk/vmail") == (f"{disk}/disk/vmail",)

    def test_a_place_where_something_else_is_seen_by_now_is_none(self, disk: Path) -> None:
        (disk / "hidden").mkdir()
        lines = ("8:1 / /", f"8:2 / {disk}/disk", f"8:2 /vmail {disk}/hidden", f"8:2 /vmail {disk}/gone")
        assert self.host(disk, *lines).ways(f"{disk}/disk/vmail") == (f"{disk}/disk/vmail",)

    def test_of_two_mounts_at_one_place_the_later_one_counts(self, disk: Path) -> None:
        lines = ("8:1 / /", f"8:3 / {disk}/disk", f"8:2 / {disk}/disk", f"8:2 /vmail {disk}/seen")
        assert self.host(disk, *lines).ways(f"{disk}/disk/vmail") == (f"{disk}/disk/vmail", f"{disk}/seen")

    def test_where_no_mount_is_known_there_is_the_one_way(self, disk: Path) -> None:
        assert self.host(disk).ways(f"{disk}/seen") == (f"{disk}/disk/vmail",)


class TestMeasure:
    def test_a_file_counts_its_bytes_a_hole_nothing_and_a_hard_link_once(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_bytes(b"x" * 5)
        os.link(tmp_path / "a", tmp_path / "b")
        (tmp_path / "folder").mkdir()
        with (tmp_path / "folder" / "holes").open("wb") as file:
            file.truncate(1 << 30)
            file.write(b"x" * BLOCK)
        (tmp_path / "link").symlink_to("/nowhere")
        os.mkfifo(tmp_path / "pipe")
        assert FILES.measure(TierSelection(str(tmp_path))) == TierSize(5 + BLOCK, 6)

    def test_what_is_left_out_and_what_lies_elsewhere_does_not_count(self, tmp_path: Path) -> None:
        for name in ("in/a", "in/out/b", "in/out/again/c", "beside/d"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(b"12345")
        (tmp_path / "in" / "link").symlink_to(tmp_path / "beside")
        selection = TierSelection(str(tmp_path), ("in", "in/out/again", "missing"), ("in/out",))
        assert FILES.measure(selection) == TierSize(10, 3)

    def test_names_are_no_patterns(self, tmp_path: Path) -> None:
        for name in ("[1]", "1"):
            (tmp_path / name).write_bytes(b"123")
        assert FILES.measure(TierSelection(str(tmp_path), left_out=("[1]",))) == TierSize(3, 1)

    def test_what_vanishes_meanwhile_is_passed_over(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "gone").write_bytes(b"1")
        real = os.scandir

        def vanishing(folder: str) -> Iterator[os.DirEntry[str]]:
            entries = real(folder)
            (tmp_path / "gone").unlink()
            return entries

        monkeypatch.setattr(os, "scandir", vanishing)
        assert FILES.measure(TierSelection(str(tmp_path))).bytes == 0


class TestOutput:
    def test_a_folder_that_can_be_written_has_no_problem_and_some_room(self, tmp_path: Path) -> None:
        assert FILES.output_problem(str(tmp_path)) is None
        room = FILES.room(str(tmp_path))
        assert room.free_bytes > 0
        assert room.free_inodes is None or room.free_inodes > 0
        assert room.device == tmp_path.stat().st_dev

    def test_a_read_only_file_system_is_a_problem(self) -> None:
        script = (
            "import sys; from hermes_backup_core.adapters.files import HostFiles;"
            "print(HostFiles().output_problem('/mnt'), HostFiles().room('/mnt').free_inodes)"
        )
        command = 'mount -t ramfs -o ro none /mnt && exec "$@"'
        shell = ("unshare", "--mount", "sh", "-c", command, "sh")
        said = subprocess.run([*shell, sys.executable, "-c", script], check=True, capture_output=True, text=True)
        assert said.stdout.startswith("is on a file system that is mounted read-only: remount it to write")
        # ramfs has no fixed number of inodes.
        assert said.stdout.endswith(" None\n")

    def test_a_folder_that_even_root_cannot_write_is_a_problem(self) -> None:
        # Which is mounted read-only in containers.
        problems = ("cannot be written: correct its owner or mode", "is on a file system that is mounted read-only")
        assert str(FILES.output_problem("/proc/sys")).startswith(problems)

    def test_who_is_not_root_may_ask_about_a_folder_of_root_s(self, tmp_path: Path, nobody: None) -> None:
        assert not os.access("/", os.W_OK)
        assert FILES.output_problem("/") is None


class TestCreate:
    def test_a_new_file_is_empty_for_its_owner_alone_and_can_be_read_back(self, tmp_path: Path) -> None:
        path = str(tmp_path / "new")
        with FILES.create(path) as file:
            assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
            assert (file.tell(), FILES.size(path)) == (0, 0)
            file.write(b"abc")
            file.seek(1)
            assert file.read() == b"bc"
            assert not os.get_inheritable(file.fileno())

    @pytest.mark.parametrize("there", [Path.touch, Path.mkdir, lambda path: path.symlink_to("/nowhere/at/all")])
    def test_what_is_there_already_is_left_alone(self, tmp_path: Path, there: Callable[[Path], None]) -> None:
        path = tmp_path / "taken"
        there(path)
        before = path.lstat()
        with pytest.raises(OutputUnusable, match=r"File exists\. Choose another -P"):
            FILES.create(str(path))
        assert path.lstat() == before

    def test_a_folder_that_is_not_there_is_unusable(self, tmp_path: Path) -> None:
        with pytest.raises(OutputUnusable, match="No such file or directory"):
            FILES.create(str(tmp_path / "no" / "new"))

    @pytest.mark.parametrize(
        ("fault", "error"),
        [
            (OSError(errno.ESPIPE, "Illegal seek"), OutputUnusable),
            (OSError(errno.EIO), OutputUnusable),
            (OSError(errno.ENOSPC, "No space left on device"), OSError),
        ],
        ids=["no seek", "no word", "full"],
    )
    def test_a_file_system_that_cannot_do_what_is_needed_is_found_out_and_nothing_stays(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: OSError, error: type[Exception]
    ) -> None:
        def failing(_: object) -> None:
            raise fault

        monkeypatch.setattr("hermes_backup_core.adapters.files._try_out", failing)
        with pytest.raises(error) as raised:
            FILES.create(str(tmp_path / "new"))
        assert type(raised.value) is error
        assert list(tmp_path.iterdir()) == []

    def test_a_disk_that_gives_back_something_else_is_unusable(self) -> None:
        from hermes_backup_core.adapters.files import _try_out

        with open("/dev/zero", "r+b", buffering=0) as zero, pytest.raises(OSError, match="does not give back"):
            _try_out(zero)


class TestPublish:
    def test_the_file_gets_its_final_name(self, tmp_path: Path) -> None:
        self.publish(tmp_path)
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"new": b"whole"}

    @pytest.mark.parametrize("there", [Path.touch, lambda path: path.symlink_to("/nowhere/at/all")])
    @pytest.mark.parametrize("hard_links", [True, False])
    def test_it_never_takes_a_name_that_is_there(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hard_links: bool, there: Callable[[Path], None]
    ) -> None:
        if not hard_links:
            self.without_hard_links(monkeypatch)
        there(tmp_path / "new")
        before = (tmp_path / "new").lstat().st_ino
        with pytest.raises((OutputUnusable, OSError)):
            self.publish(tmp_path)
        assert (tmp_path / "new").lstat().st_ino == before
        assert (tmp_path / "new.partial").read_bytes() == b"whole"

    def test_where_there_are_no_hard_links_it_is_renamed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.without_hard_links(monkeypatch)
        self.publish(tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["new"]

    def test_another_failure_is_one(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.without_hard_links(monkeypatch, errno.EIO)
        with pytest.raises(OSError, match="no links here"):
            self.publish(tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["new.partial"]

    @pytest.mark.parametrize("hard_links", [True, False])
    def test_a_name_that_may_not_last_is_taken_back(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hard_links: bool
    ) -> None:
        if not hard_links:
            self.without_hard_links(monkeypatch)

        def failing(_: str) -> None:
            raise OSError(errno.EIO, "the folder cannot be flushed")

        monkeypatch.setattr("hermes_backup_core.adapters.files.flush_folder", failing)
        with pytest.raises(OSError, match="cannot be flushed"):
            self.publish(tmp_path)
        assert list(tmp_path.iterdir()) == []

    def publish(self, folder: Path) -> None:
        with FILES.create(str(folder / "new.partial")) as file:
            file.write(b"whole")
            FILES.publish(file, str(folder / "new.partial"), str(folder / "new"))

    def without_hard_links(self, monkeypatch: pytest.MonkeyPatch, number: int = errno.EPERM) -> None:
        """As on vfat or some network mounts."""

        def refusing(*_: object, **__: object) -> None:
            raise OSError(number, "no links here")

        monkeypatch.setattr(os, "link", refusing)


def test_a_file_is_removed_if_there_is_one(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    assert FILES.remove(str(tmp_path / "a"))
    assert not FILES.remove(str(tmp_path / "a"))


def test_it_looks_at_folders_and_files(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    (tmp_path / "file").write_bytes(b"\xff\0")
    assert FILES.resolve(str(tmp_path / "link" / "x")) == str(tmp_path / "folder" / "x")
    assert [FILES.is_folder(str(tmp_path / name)) for name in ("folder", "link", "file", "no")] == [
        *(True, True, False, False)
    ]
    (tmp_path / "alias").symlink_to("file")
    os.mkfifo(tmp_path / "pipe")
    assert [
        name for name in ("folder", "link", "file", "alias", "pipe", "no") if FILES.is_file(str(tmp_path / name))
    ] == ["file"]
    assert FILES.names(str(tmp_path)) == {"folder", "link", "file", "alias", "pipe"}
    assert (FILES.read(str(tmp_path / "file")), FILES.size(str(tmp_path / "file"))) == (b"\xff\0", 2)


@pytest.fixture
def nobody() -> Iterator[None]:
    """Be another user than root for a while."""
    os.setresuid(NOBODY, NOBODY, 0)
    yield
    os.setresuid(0, 0, 0)
