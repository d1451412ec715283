"""Unpacking tiers and bringing them in line, with the real programs on real file systems."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hermes_backup_core.adapters.gnu_tar import GnuTar
from hermes_backup_core.adapters.tier_target import GnuTarTarget, NoRoomToUnpack, TierNotSynced, TierNotUnpacked
from hermes_backup_core.domain.selection import TierSelection
from tests.unit.adapters.mounting import mounted
from tests.unit.adapters.tree import Look, make_everything, snapshot

TARGET = GnuTarTarget()


@pytest.fixture(autouse=True)
def nothing_survives() -> Iterator[None]:
    """Whatever happens, no process and no thread is left."""
    before = threading.active_count()
    yield
    assert threading.active_count() == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@pytest.fixture
def tier(tmp_path: Path) -> Path:
    folder = tmp_path / "tier [1] 'x'"
    folder.mkdir(mode=0o750)
    return folder


@pytest.fixture
def new(tmp_path: Path) -> Path:
    folder = tmp_path / "new [a] ,"
    folder.mkdir(mode=0o700)
    return folder


def packed(tier: Path) -> list[bytes]:
    chunks: list[bytes] = []
    GnuTar().pack(TierSelection(str(tier)), lambda data: chunks.append(bytes(data)), tag="none")
    return chunks


def shell_packed(tier: Path, *names: str) -> list[bytes]:
    """As an operator's own script packs: GNU tar's old format."""
    done = subprocess.run(
        ["tar", "-C", str(tier), "--no-unquote", "-cf", "-", *(names or ".")], check=True, capture_output=True
    )
    return [done.stdout]


def members(*entries: tarfile.TarInfo) -> list[bytes]:
    with io.BytesIO() as file:
        with tarfile.open(fileobj=file, mode="w") as archive:
            for entry in entries:
                archive.addfile(entry, io.BytesIO(bytes(entry.size)))
        return [file.getvalue()]


def acl(path: Path, *setting: str) -> None:
    subprocess.run(["setfacl", *setting, str(path)], check=True)


def below(root: Path, folder: str) -> dict[bytes, Look]:
    return snapshot(root / folder)


class TestUnpack:
    def test_everything_comes_back_as_it_was(self, tier: Path, new: Path) -> None:
        make_everything(tier)
        os.chown(tier, 4711, 4712)
        acl(tier, "-d", "-m", "u:4711:rwx")
        os.utime(tier, ns=(1, 1_500_000_000_000_000_001))
        TARGET.unpack(packed(tier), str(new))
        assert snapshot(new) == snapshot(tier)
        assert (new / "sparse").stat().st_blocks < 1000

    @pytest.mark.parametrize("kind", ["ours", "shell's"])
    def test_what_lies_above_hands_nothing_on(self, tier: Path, new: Path, kind: str) -> None:
        """A default ACL of the folder it is unpacked into is not the archive's."""
        (tier / "sub").mkdir()
        (tier / "sub" / "file").write_bytes(b"x")
        (tier / "sub" / "file").chmod(0o640)
        acl(new, "-d", "-m", "u:4711:rwx")
        TARGET.unpack(packed(tier) if kind == "ours" else shell_packed(tier), str(new))
        for name in (".", "sub", "sub/file"):
            assert os.listxattr(new / name) == []
        assert (new / "sub" / "file").stat().st_mode == (tier / "sub" / "file").stat().st_mode

    def test_of_two_copies_the_last_one_wins(self, new: Path) -> None:
        first, last = tarfile.TarInfo("./a"), tarfile.TarInfo("./a")
        first.size, last.size = 1000, 5
        TARGET.unpack(members(first, last), str(new))
        assert (new / "a").stat().st_size == 5

    def test_what_is_excluded_is_a_path_and_never_a_pattern(self, tier: Path, new: Path) -> None:
        names = ("a[1]/x", "a1", "b*", "bc", "sub/a[1]", "logs/deep", "logs2", "back\\nslash", "caf\udce9", "new\nline")
        for name in names:
            (tier / name).mkdir(parents=True)
        excluded = ("./a[1]", "./b*", "./logs/", "./back\\nslash", "./caf\udce9", "./new\nline")
        TARGET.unpack(packed(tier), str(new), excluded=excluded)
        assert set(snapshot(new)) == {b".", b"a1", b"bc", b"sub", b"sub/a[1]", b"logs2"}

    def test_names_may_lack_the_dot(self, tier: Path, new: Path) -> None:
        for name in ("a", "b", "sub/b"):
            (tier / name).mkdir(parents=True)
        TARGET.unpack(shell_packed(tier, "a", "b", "sub"), str(new), excluded=("b",))
        assert set(snapshot(new)) == {b".", b"a", b"sub", b"sub/b"}

    def test_a_hard_link_to_what_is_excluded_is_no_silent_loss(self, tier: Path, new: Path) -> None:
        for name in ("a", "b"):
            (tier / name).mkdir()
        (tier / "a" / "file").touch()
        os.link(tier / "a" / "file", tier / "b" / "file")
        outer = shell_packed(tier, "./a", "./b")
        with pytest.raises(TierNotUnpacked, match="Cannot hard link"):
            TARGET.unpack(outer, str(new), excluded=("./a",))


class TestUnpackBelow:
    @pytest.mark.parametrize("folder", ["app", "app.d/a[1]*,^$", "back\\nslash/caf\udce9", "-dash/new\nline"])
    @pytest.mark.parametrize("kind", ["ours", "shell's", "shell's without the dot"])
    def test_the_folder_itself_becomes_the_top(self, tier: Path, new: Path, folder: str, kind: str) -> None:
        (tier / folder).mkdir(parents=True)
        (tier / f"{folder}2").mkdir()
        if kind == "ours":
            make_everything(tier / folder)
            acl(tier / folder, "-m", "u:12:rwx")
            acl(tier / folder, "-d", "-m", "u:4711:rwx")
        (tier / folder / "link").symlink_to(f"./{folder}/x")
        os.chown(tier / folder, 4711, 4712)
        os.utime(tier / folder, ns=(1, 1_500_000_000 * 10**9))
        os.utime(tier / folder / "link", ns=(1, 1_500_000_000 * 10**9), follow_symlinks=False)
        plain = ["--", *sorted(os.listdir(tier))]
        chunks = packed(tier) if kind == "ours" else shell_packed(tier, *(plain if "without" in kind else ["."]))
        TARGET.unpack(chunks, str(new), below=folder)
        assert below(new, ".") == below(tier, folder)

    def test_less_what_is_excluded(self, tier: Path, new: Path) -> None:
        for name in ("app/a/b", "app/b", "b"):
            (tier / name).mkdir(parents=True)
        TARGET.unpack(packed(tier), str(new), below="app", excluded=("./app/b",))
        assert set(snapshot(new)) == {b".", b"a", b"a/b"}

    def test_a_hard_link_to_a_file_outside_finds_none_of_that_name_inside(self, tier: Path, new: Path) -> None:
        for name in ("a/file", "app/a/file"):
            (tier / name).parent.mkdir(parents=True)
            (tier / name).write_text(name)
        os.link(tier / "a/file", tier / "app/other")
        for names in (("./a", "./app"), ("a", "app")):
            with pytest.raises(TierNotUnpacked, match="Cannot hard link"):
                TARGET.unpack(shell_packed(tier, *names), str(new), below="app")

    def test_a_folder_that_is_not_there_is_told(self, tier: Path, new: Path) -> None:
        with pytest.raises(TierNotUnpacked, match="there is no dovecot/mail in it"):
            TARGET.unpack(packed(tier), str(new), below="dovecot/mail")

    def test_other_trouble_is_not_mistaken_for_the_name_that_is_not_there(self, tier: Path, new: Path) -> None:
        (tier / "app").mkdir()
        (tier / "app" / "file").touch()
        (tier / "other").touch()
        os.link(tier / "other", tier / "app" / "hard")
        with pytest.raises(TierNotUnpacked, match="exit code 2"):
            TARGET.unpack(shell_packed(tier, "./other", "./app"), str(new), below="app")


class TestUnpackFailures:
    def test_no_room(self, tmp_path: Path) -> None:
        large = tarfile.TarInfo("./large")
        large.size = 3 << 20
        with (
            mounted(tmp_path / "small", "-t", "tmpfs", "-o", "size=1m", "none") as small,
            pytest.raises(NoRoomToUnpack, match=r"no room left in .*/small.*--stage-dir"),
        ):
            TARGET.unpack(members(large), str(small))

    def test_no_inodes(self, tmp_path: Path) -> None:
        many = [tarfile.TarInfo(f"./{number}") for number in range(30)]
        with (
            mounted(tmp_path / "small", "-t", "tmpfs", "-o", "nr_inodes=10", "none") as small,
            pytest.raises(NoRoomToUnpack),
        ):
            TARGET.unpack(members(*many), str(small))

    def test_attributes_that_the_file_system_cannot_keep(self, tier: Path, tmp_path: Path) -> None:
        (tier / "plain").touch()
        with mounted(tmp_path / "bare", "-t", "ramfs", "none") as bare:
            TARGET.unpack(packed(tier), str(bare))
            os.setxattr(tier / "plain", "user.note", b"x")
            with pytest.raises(
                TierNotUnpacked, match=r"'user\.note'.* 'plain'|'user\.note'.*'\./plain'.*not supported"
            ):
                TARGET.unpack(packed(tier), str(bare))
            os.removexattr(tier / "plain", "user.note")
            acl(tier / "plain", "-m", "u:4711:r")
            with pytest.raises(TierNotUnpacked, match="posix_acl_access"):
                TARGET.unpack(packed(tier), str(bare))

    @pytest.mark.parametrize(
        ("chunks", "said"),
        [
            ([b"garbage" * 1000], "does not look like a tar archive"),
            ([b"garbage" * 1000] * 1000, "does not look like a tar archive"),
            ([b"x" * 100], "exit code 2"),
        ],
    )
    def test_what_tar_says_is_the_error(self, new: Path, chunks: list[bytes], said: str) -> None:
        with pytest.raises(TierNotUnpacked, match=said):
            TARGET.unpack(chunks, str(new))

    def test_a_cut_archive(self, tier: Path, new: Path) -> None:
        (tier / "large").write_bytes(os.urandom(3 << 20))
        with pytest.raises(TierNotUnpacked, match="Unexpected EOF in archive"):
            TARGET.unpack([b"".join(packed(tier))[: 1 << 20]], str(new))

    def test_a_folder_that_is_not_there(self, tier: Path, tmp_path: Path) -> None:
        with pytest.raises(TierNotUnpacked, match="No such file or directory"):
            TARGET.unpack(packed(tier), str(tmp_path / "none"))

    @pytest.mark.parametrize("error", [ZeroDivisionError, BrokenPipeError, KeyboardInterrupt])
    def test_an_exception_of_the_stream_passes_through(self, tier: Path, new: Path, error: type[BaseException]) -> None:
        (tier / "large").write_bytes(os.urandom(3 << 20))

        def chunks() -> Iterator[bytes]:
            yield b"".join(packed(tier))[: 1 << 20]
            raise error

        with pytest.raises(error):
            TARGET.unpack(chunks(), str(new))

    def test_the_stream_is_read_to_its_end(self, new: Path) -> None:
        """Its reader may find at the very end that it is damaged."""
        left = iter([*members(tarfile.TarInfo("./a")), *[bytes(1 << 20)] * 5])
        TARGET.unpack(left, str(new))
        assert next(left, None) is None

    def test_a_tar_that_a_signal_ended(self, new: Path, tmp_path: Path) -> None:
        program = tmp_path / "tar"
        program.write_text("#!/bin/sh\nkill -9 $$\n")
        program.chmod(0o755)
        with pytest.raises(TierNotUnpacked, match="signal 9: it gave no reason"):
            GnuTarTarget(str(program)).unpack([b"x"], str(new))

    def test_a_host_without_tar(self, new: Path, tmp_path: Path) -> None:
        target = GnuTarTarget(str(tmp_path / "none"))
        assert "install GNU tar 1.34 or newer" in str(target.problem())
        assert TARGET.problem() is None
        with pytest.raises(TierNotUnpacked, match="install GNU tar"):
            target.unpack([], str(new))


class TestSync:
    @pytest.fixture
    def target(self, tmp_path: Path) -> Path:
        folder = tmp_path / "target [1]"
        folder.mkdir()
        return folder

    def test_all_becomes_equal(self, tier: Path, target: Path) -> None:
        make_everything(tier)
        make_everything(target)
        for name in ("gone", "deep/gone", "owned"):
            (target / name).unlink(missing_ok=True)
            (target / name).mkdir()
        (target / "-dash").unlink()
        (target / "-dash").symlink_to("setuid")
        acl(target, "-d", "-m", "u:4711:rwx")
        os.chown(tier, 4711, 4712)
        TARGET.sync(str(tier), str(target))
        assert snapshot(target) == snapshot(tier)
        assert (target / "sparse").stat().st_blocks < 1000

    def test_a_damaged_file_of_the_same_size_and_time(self, tier: Path, target: Path) -> None:
        for folder, content in ((tier, b"right"), (target, b"wrong")):
            (folder / "file").write_bytes(content)
            os.utime(folder / "file", ns=(1, 1_500_000_000_000_000_001))
        TARGET.sync(str(tier), str(target))
        assert (target / "file").read_bytes() == b"right"

    STAYS = ("a[1]/deep/stay", "b*", "back\\nslash", "back\\*", "caf\udce9", "new\nline", "keep", " blank ", "-d", "q?")

    def test_what_stays_is_a_path_and_never_a_pattern(self, tier: Path, target: Path) -> None:
        for name in self.STAYS:
            (target / name).mkdir(parents=True)
            (target / name / "live").write_text("live")
        goes = ("a1/deep/stay", "a[1]/deep/other", "bc", "back\\x", "sub/keep", "keep2", "qq", "back/n")
        for name in goes:
            (target / name).mkdir(parents=True)
        (tier / "keep").mkdir()
        (tier / "keep" / "copy").touch()
        (tier / "fresh").touch()
        TARGET.sync(str(tier), str(target), stays=[f"{target}/{name}" for name in (*self.STAYS, "absent")])
        left = {b".", b"fresh", b"a[1]", b"a[1]/deep"}
        for name in self.STAYS:
            left |= {os.fsencode(name), os.fsencode(f"{name}/live")}
        assert set(snapshot(target)) == left

    def test_a_folder_with_something_mounted_on_it_is_emptied_and_stays(self, tier: Path, target: Path) -> None:
        with mounted(target / "disk", "-t", "tmpfs", "none") as disk:
            (disk / "stale").touch()
            (tier / "fresh").touch()
            TARGET.sync(str(tier), str(target))
            assert set(snapshot(target)) == {b".", b"fresh", b"disk"}

    @pytest.mark.parametrize(
        ("source", "said"), [("none", "No such file or directory"), ("full", "No space left on device")]
    )
    def test_what_rsync_says_is_the_error(self, tmp_path: Path, source: str, said: str) -> None:
        (tmp_path / "full").mkdir()
        (tmp_path / "full" / "large").write_bytes(os.urandom(3 << 20))
        with (
            mounted(tmp_path / "small", "-t", "tmpfs", "-o", "size=1m", "none") as small,
            pytest.raises(TierNotSynced, match=f"{said}.*--finish"),
        ):
            TARGET.sync(str(tmp_path / source), str(small))

    def test_a_folder_that_cannot_make_way_is_no_success(self, tier: Path, target: Path) -> None:
        (target / "a" / "stay").mkdir(parents=True)
        (tier / "a").touch()
        with pytest.raises(TierNotSynced):
            TARGET.sync(str(tier), str(target), stays=[f"{target}/a/stay"])

    def test_a_host_without_rsync(self, tier: Path, target: Path) -> None:
        assert TARGET.sync_problem() is None
        assert "there is no program no-rsync" in str(GnuTarTarget(rsync="no-rsync").sync_problem())
        with pytest.raises(TierNotSynced, match="there is no program no-rsync; install it"):
            GnuTarTarget(rsync="no-rsync").sync(str(tier), str(target))

    def test_an_rsync_that_says_nothing(self, tier: Path, target: Path, tmp_path: Path) -> None:
        program = tmp_path / "rsync"
        program.write_text("#!/bin/sh\nexit 11\n")
        program.chmod(0o755)
        with pytest.raises(TierNotSynced, match="rsync ended with exit code 11"):
            GnuTarTarget(rsync=str(program)).sync(str(tier), str(target))
