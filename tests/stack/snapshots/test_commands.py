"""`--snapshot` on a real btrfs, over a stand-in for Docker: what is packed, what is left, whatever ends a run."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.cli.fake_host import AS_NOBODY, RESTORE, FakeHost
from tests.cli.fake_host.script import Finished
from tests.stack.failures.breaking import command, tmpfs
from tests.stack.snapshots.disks import bound, btrfs, snapshots_in, subvolume

REQUIRE = "--snapshot=require"


@pytest.fixture
def host() -> Iterator[FakeHost]:
    """A host whose tiers, all four, lie on one btrfs, in no subvolume but that of the disk."""
    with FakeHost.running() as made:
        tiers = made.base / "mnt"
        aside = tiers.rename(made.base / "aside")
        with btrfs(tiers):
            command("cp", "-a", f"{aside}/.", str(tiers))
            yield made
            made.engine.mend()
    assert made.engine.surprises == []


def mail(host: FakeHost, name: str) -> Path:
    return host.tiers["vmail"] / "dovecot" / name


def names(tarball: Path, tier: str) -> set[str]:
    """The files in the archive of a tier, by GNU tar."""
    outer = subprocess.run(["tar", "-xOf", tarball, f"{tier}.tar.gz"], check=True, capture_output=True).stdout
    listed = subprocess.run(["tar", "-tz"], input=outer, check=True, capture_output=True).stdout.decode()
    return {name.removeprefix("./") for name in listed.splitlines() if not name.endswith("/")}


def manifest(tarball: Path) -> dict[str, object]:
    with tarfile.open(tarball) as tar:
        content = tar.extractfile("backup_manifest.json")
        assert content
        loaded: dict[str, object] = json.load(content)
        return loaded


def made(host: FakeHost, done: Finished) -> Path:
    assert done.code == 0, done.out + done.err
    return host.made(".tar")[-1]


def with_late_mail(host: FakeHost, *arguments: str) -> tuple[Finished, list[Path]]:
    """Run a backup during which, when tar begins to read, a mail comes; also what snapshots there were then."""
    stood: list[Path] = []

    def act() -> None:
        mail(host, "late").write_text("late\n")
        stood.extend(snapshots_in(host.base / "mnt", *host.tiers.values()))

    host.engine.before("--directory=", act=act)
    return host.run(*host.command(*arguments)), stood


def test_a_tier_that_is_a_subvolume_is_packed_as_it_was_when_the_snapshot_was_made(host: FakeHost) -> None:
    subvolume(host.tiers["vmail"])
    done, stood = with_late_mail(host, "vmail", REQUIRE)
    tarball = made(host, done)
    assert names(tarball, "vmail") == {"note.txt", "dovecot/mail.1"}
    assert len(stood) == 1
    assert stood[0].parent == host.tiers["vmail"]
    assert snapshots_in(host.tiers["vmail"]) == []
    assert mail(host, "late").exists()
    assert manifest(tarball)["snapshots"] == {"vmail": "btrfs"}
    (read,) = host.engine.called("tar", "--directory=")
    assert f"--directory={stood[0]}" in read.words


def test_a_tier_below_a_subvolume_is_read_below_the_snapshot_of_that(host: FakeHost) -> None:
    done, stood = with_late_mail(host, "vmail", REQUIRE)
    assert names(made(host, done), "vmail") == {"note.txt", "dovecot/mail.1"}
    assert [path.parent for path in stood] == [host.base / "mnt"]
    assert snapshots_in(host.base / "mnt") == []


def test_a_tier_that_is_a_bind_mount_is_read_in_the_snapshot_of_where_it_comes_from(host: FakeHost) -> None:
    vmail = host.tiers["vmail"]
    elsewhere = vmail.rename(host.base / "mnt/disk")
    with bound(elsewhere, vmail):
        done, stood = with_late_mail(host, "vmail", REQUIRE)
    assert names(made(host, done), "vmail") == {"note.txt", "dovecot/mail.1"}
    assert [path.parent for path in stood] == [host.base / "mnt"]


def test_several_tiers_share_one_snapshot_and_one_of_its_own_has_another(host: FakeHost) -> None:
    config = host.base / "mnt/hermes"
    shutil.move(host.root, config)
    host.root.symlink_to(config)
    subvolume(host.tiers["vmail"])
    done, stood = with_late_mail(host, "all", REQUIRE)
    tarball = made(host, done)
    assert {path.parent for path in stood} == {host.base / "mnt", host.tiers["vmail"]}
    assert f"take a read-only snapshot of {host.base}/mnt (btrfs) for config, data, archive and nextcloud" in done.out
    assert names(tarball, "data") == {"note.txt"}
    assert "dovecot/late" not in names(tarball, "vmail")
    assert snapshots_in(host.base / "mnt", host.tiers["vmail"]) == []
    assert not host.engine.hermes.maintenance


@contextmanager
def nested_subvolume(folder: Path) -> Iterator[Path]:
    yield subvolume(folder)


@pytest.mark.parametrize(
    ("nest", "said"),
    [
        (nested_subvolume, "there is a subvolume of its own at {}, which a snapshot would leave empty"),
        (tmpfs, "another file system is mounted at {}, which a snapshot would leave empty"),
    ],
)
def test_what_a_snapshot_would_leave_empty_is_refused_or_packed_as_it_lies_there(
    host: FakeHost, nest: Callable[[Path], AbstractContextManager[Path]], said: str
) -> None:
    subvolume(host.tiers["vmail"])
    folder = host.tiers["vmail"] / "dovecot/inner"
    said = said.format(folder)
    with nest(folder):
        (folder / "mail.2").write_text("inside\n")
        refused = host.run(*host.command("vmail", REQUIRE))
        assert refused.code == 1
        assert said in refused.err
        assert not host.engine.called("--directory=")
        done, stood = with_late_mail(host, "vmail", "--snapshot")
    assert {"dovecot/inner/mail.2", "dovecot/late"} <= names(made(host, done), "vmail")
    assert any("WARN: " in line and said in line for line in done.out.splitlines())
    assert stood == []


def test_a_subvolume_that_the_tier_leaves_out_stands_in_nobodys_way(host: FakeHost) -> None:
    subvolume(host.tiers["data"])
    subvolume(host.tiers["data"] / "clamav")
    done = host.run(*host.command("system", "--snapshot"))
    assert "data" in str(manifest(made(host, done))["snapshots"])


def test_a_plain_file_system_is_refused_before_any_work_or_packed_with_a_warning(host: FakeHost) -> None:
    vmail = host.tiers["vmail"]
    with tmpfs(vmail):
        (vmail / "dovecot").mkdir()
        refused = host.run(*host.command("vmail", REQUIRE, "--cold"))
        assert refused.code == 1
        assert f"the vmail tier (VMAIL_MOUNT, {vmail}) cannot be packed from a snapshot, since it" in refused.err
        assert refused.err.rstrip().endswith("put that right, or leave --snapshot=require out")
        assert not host.engine.called("docker", "stop")
        assert "== Backup ==" not in refused.out
        done = host.run(*host.command("vmail", "--snapshot"))
        assert "snapshots" not in manifest(made(host, done))


def test_a_dry_run_tells_of_snapshots_and_makes_none(host: FakeHost) -> None:
    before = host.everything()
    done = host.run(*host.command("all", "--snapshot", "-n"))
    assert done.code == 0
    assert "take a read-only snapshot of" in done.out
    assert re.search(r"WARN: the config tier .* cannot be packed from a snapshot", done.out)
    assert "pack everything of" in done.out
    assert host.everything() == before
    assert host.run(*host.command("all", REQUIRE, "-n")).code == 1


def test_a_dry_run_by_somebody_else_says_what_only_root_can_find_out(host: FakeHost) -> None:
    done = host.run(*host.command("vmail", REQUIRE, "-n"), through=AS_NOBODY)
    assert done.code == 0, done.err
    assert "not looked at: the vmail tier" in done.out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_no_snapshot(host: FakeHost, number: signal.Signals) -> None:
    gate = host.engine.hold("--directory=")
    running = host.start(*host.command("vmail", REQUIRE))
    running.reach(gate)
    assert len(snapshots_in(host.base / "mnt")) == 1
    running.send(number)
    done = running.finish()
    assert done.code == 128 + number
    assert snapshots_in(host.base / "mnt") == []
    assert f"removed the snapshot of {host.base}/mnt" in done.out
    assert list((host.base / "state").glob("*/journal.json")) == []


def test_a_tar_that_fails_leaves_none_and_is_told_by_the_live_path(host: FakeHost) -> None:
    host.engine.fail("--directory=", says="tar: disk is broken", code=2)
    done = host.run(*host.command("vmail", REQUIRE))
    assert done.code == 1
    assert f"{host.tiers['vmail']} could not be read to its end" in done.err
    assert ".hermes-backup-snapshot-" not in done.err
    assert snapshots_in(host.base / "mnt") == []
    assert host.made(".tar") == host.made(".partial") == []


def kill_while_it_stands(host: FakeHost, *arguments: str) -> Path:
    gate = host.engine.hold("--directory=")
    running = host.start(*host.command(*arguments))
    running.reach(gate)
    running.send(signal.SIGKILL)
    assert running.finish().code == -signal.SIGKILL
    host.engine.mend()
    (left,) = snapshots_in(host.base / "mnt")
    return left


@pytest.mark.parametrize("second", [("vmail",), ("archive", REQUIRE), ("system", "--cold")], ids=" ".join)
def test_the_run_after_a_kill_finds_and_removes_it_and_says_so(host: FakeHost, second: tuple[str, ...]) -> None:
    left = kill_while_it_stands(host, "nextcloud", REQUIRE)
    assert not host.engine.hermes.maintenance
    dry = host.run(*host.command(*second, "-n"))
    assert "was killed; a live run puts that right first" in dry.out
    assert left.exists()
    done = host.run(*host.command(*second))
    assert done.code == 0, done.err
    leftovers, _, _ = done.out.partition("== Checks ==")
    assert f"removed the snapshot of {host.base}/mnt" in leftovers
    assert snapshots_in(host.base / "mnt") == []


def test_a_restore_finds_and_removes_it_too(host: FakeHost) -> None:
    tarball = made(host, host.run(*host.command("vmail")))
    kill_while_it_stands(host, "vmail", REQUIRE)
    done = host.run("-F", str(tarball), "--yes", script=RESTORE)
    assert f"removed the snapshot of {host.base}/mnt" in done.out
    assert snapshots_in(host.base / "mnt") == []


def test_one_that_cannot_be_removed_is_told_with_what_to_type_and_goes_later(host: FakeHost) -> None:
    left = kill_while_it_stands(host, "vmail", REQUIRE)
    command("mount", "-o", "remount,ro", str(host.base / "mnt"))
    done = host.run(*host.command("vmail"))
    assert done.code == 1
    assert f"run `btrfs subvolume delete --commit-after {left}`" in done.err
    command("mount", "-o", "remount,rw", str(host.base / "mnt"))
    assert host.run(*host.command("vmail")).code == 0
    assert snapshots_in(host.base / "mnt") == []


def test_a_disk_that_is_not_mounted_is_not_taken_for_one_without_it(host: FakeHost) -> None:
    subvolume(host.tiers["vmail"])
    gate = host.engine.hold("--directory=")
    running = host.start(*host.command("vmail", REQUIRE))
    running.reach(gate)
    running.send(signal.SIGKILL)
    running.finish()
    host.engine.mend()
    vmail = host.tiers["vmail"]
    away = vmail.rename(vmail.with_name("away"))
    vmail.mkdir()
    done = host.run(*host.command("archive"))
    assert done.code == 1
    assert f"{vmail} is no btrfs subvolume now: mount it as it was" in done.err
    vmail.rmdir()
    away.rename(vmail)
    assert host.run(*host.command("archive")).code == 0
    assert snapshots_in(vmail) == []


def test_a_snapshot_that_nobody_remembers_is_in_no_backup(host: FakeHost) -> None:
    vmail = subvolume(host.tiers["vmail"])
    forgotten = vmail / ".hermes-backup-snapshot-20250101T000000Z-00000000-1"
    command("btrfs", "subvolume", "snapshot", "-r", str(vmail), str(forgotten))
    for options in ((), ("--snapshot",), (REQUIRE,)):
        done = host.run(*host.command("vmail", *options))
        assert names(made(host, done), "vmail") == {"note.txt", "dovecot/mail.1"}
    assert forgotten.exists()


def test_the_output_may_lie_in_the_tier_itself(host: FakeHost) -> None:
    inside = host.tiers["vmail"] / "backups"
    inside.mkdir()
    done = host.run("-P", str(inside), "-B", "vmail", "--yes", REQUIRE)
    assert done.code == 0, done.err
    (tarball,) = inside.glob("*.tar")
    assert names(tarball, "vmail") == {"note.txt", "dovecot/mail.1"}


def test_a_crontab_s_path_is_enough(host: FakeHost) -> None:
    path = f"{host.base}/bin:{os.path.dirname(sys.executable)}:/usr/bin:/bin"
    done = host.run(*host.command("vmail", REQUIRE), environ={"PATH": path})
    assert done.code == 0, done.err


def test_a_cold_backup_has_the_stack_up_before_it_reads_the_snapshot(host: FakeHost) -> None:
    running = host.engine.running()
    seen: list[bool] = []
    host.engine.before("--directory=", act=lambda: seen.append(host.engine.running() == running))
    done = host.run(*host.command("system", "--cold", "--snapshot"))
    assert done.code == 0, done.err
    assert seen == [False, True]  # the install root is not on btrfs
    assert manifest(host.made(".tar")[0])["mode"] == "cold"
