"""`--snapshot` on a real Hermes on a real btrfs, while mail is delivered and the stack runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stack.damage import damage
from tests.stack.failures.breaking import big_file
from tests.stack.failures.host import Host, Run
from tests.stack.failures.processes import adopting
from tests.stack.miniature import Engine, Miniature
from tests.stack.picture import ROOT_ACCOUNT, differences, parts_of, picture
from tests.stack.restoring import check_nothing_left, restore, volumes
from tests.stack.script import Opened, back_up, opened
from tests.stack.snapshots.disks import snapshots_in, standing_on_btrfs

USER = "u2@example.com"
BOX = "dovecot/example.com/u2/dbox"
REQUIRE = "--snapshot=require"
MEGABYTES = 60


@pytest.fixture(scope="module")
def hermes(engine: Engine, folders: Iterator[Path]) -> Iterator[Miniature]:
    """With data and vmail as subvolumes; all else lies in the disk's own. What is packed takes its time."""
    with standing_on_btrfs(engine, next(folders), subvolumes=("data", "vmail")) as made:
        big_file(made.tiers["vmail"] / "dovecot/big", MEGABYTES)
        big_file(made.tiers["nextcloud"] / "app/data/admin/files/big", MEGABYTES)
        yield made


@pytest.fixture
def host(hermes: Miniature, folders: Iterator[Path]) -> Iterator[Host]:
    folder = next(folders)
    folder.mkdir(parents=True)
    made = Host(hermes, folder)
    with adopting():
        try:
            yield made
        finally:
            made.close()


def standing(hermes: Miniature) -> list[Path]:
    return snapshots_in(hermes.base, *(hermes.tiers[tier] for tier in ("data", "vmail")))


def mails(hermes: Miniature, *, location: str = "") -> dict[str, bytes]:
    """The text of each mail in the user's INBOX by its Message-ID, as Dovecot reads it."""
    option = ("-o", f"mail_location=sdbox:{location}") if location else ()
    argv = ("doveadm", *option, "-f", "flow", "fetch", "-u", USER, "text", "mailbox", "INBOX")
    texts = hermes.exec("hermes_dovecot", *argv).split(b"text=")[1:]
    return {identity(text): text for text in texts}


def identity(text: bytes) -> str:
    (line,) = [line for line in text.splitlines() if line.startswith(b"Message-ID: ")]
    return line.decode()


def mails_in(hermes: Miniature, backup: Opened) -> dict[str, bytes]:
    """What Dovecot finds in the mailbox as it was packed."""
    hermes.exec("hermes_dovecot", "rm", "-rf", "/tmp/unpacked")
    hermes.engine.docker("cp", "-a", str(backup.unpack("vmail") / BOX), "hermes_dovecot:/tmp/unpacked")
    resync = ("doveadm", "-o", "mail_location=sdbox:/tmp/unpacked", "force-resync", "-u", USER, "*")
    hermes.exec("hermes_dovecot", *resync)
    return mails(hermes, location="/tmp/unpacked")


def held_while_packing(run: Run, tier: str) -> None:
    """Hold the run when tar reads the tier's snapshot."""
    run.until_child("--create", "--directory=", "/.hermes-backup-snapshot-")
    run.until(lambda: f"{tier}.tar.gz" not in run.said().partition("== Backup ==")[2], tier)
    run.freeze()


def test_mail_delivered_before_the_snapshot_is_in_the_backup_and_none_that_came_after(host: Host) -> None:
    hermes = host.hermes
    hermes.deliver(20, to=USER)
    before = mails(hermes)
    run = host.begin("-B", "vmail", REQUIRE)
    held_while_packing(run, "vmail")
    assert [path.parent for path in standing(hermes)] == [hermes.tiers["vmail"]]
    hermes.deliver(10, to=USER)
    run.go_on()
    while run.process.poll() is None:
        hermes.deliver(1, to=USER)
    ended = run.ended()

    assert ended.code == 0, ended.stdout + ended.stderr
    host.check_nothing_left()
    assert standing(hermes) == []
    (tarball,) = host.output.glob("*.tar")
    backup = opened(tarball, host.folder / "opened")
    assert mails_in(hermes, backup) == before
    assert len(mails(hermes)) >= len(before) + 10
    assert backup.manifest["snapshots"] == {"vmail": "btrfs"}
    assert "changed_files" not in backup.manifest
    assert not ended.warnings_about("being written")
    assert "were added" not in ended.stdout


def test_nextcloud_is_out_of_maintenance_while_its_files_are_packed(host: Host) -> None:
    hermes = host.hermes
    run = host.begin("-B", "nextcloud", REQUIRE)
    held_while_packing(run, "nextcloud")
    assert not host.state().maintenance
    late = hermes.tiers["nextcloud"] / "app/data/admin/files/late"
    late.write_text("late\n")
    run.go_on()
    ended = run.ended()
    assert ended.code == 0, ended.stdout + ended.stderr
    said = re.search(r"Nextcloud in maintenance ([\d.]+)s", ended.stdout)
    assert said
    _, _, told = ended.stdout.partition("== Backup ==")
    assert told.index("Nextcloud is out of maintenance mode") < told.index("nextcloud.tar.gz ")
    (tarball,) = host.output.glob("*.tar")
    backup = opened(tarball, host.folder / "opened")
    assert not (backup.unpack("nextcloud") / "app/data/admin/files/late").exists()
    # Its database is from the same moment as its files: from within the maintenance, which the snapshot shows.
    assert "'maintenance' => true" in (backup.unpack("nextcloud") / "app/config/config.php").read_text()
    late.unlink()


def test_dumps_and_files_of_a_cold_backup_are_from_one_moment_and_the_stack_is_up_while_they_are_packed(
    host: Host,
) -> None:
    hermes = host.hermes
    before = host.running()
    run = host.begin("-B", "all", "--cold", REQUIRE)
    held_while_packing(run, "config")
    assert host.running() == before
    assert sorted(path.parent for path in standing(hermes)) == sorted(
        [hermes.base, hermes.tiers["data"], hermes.tiers["vmail"]]
    )
    hermes.wait_until_ready()
    hermes.sql("CREATE TABLE came_later (id INT)", "hermes")
    hermes.deliver(1, to="late@example.com")
    run.go_on()
    ended = run.ended()
    hermes.sql("DROP TABLE came_later", "hermes")
    assert ended.code == 0, ended.stdout + ended.stderr
    host.check_nothing_left()
    assert standing(hermes) == []
    (tarball,) = host.output.glob("*.tar")
    backup = opened(tarball, host.folder / "opened")
    assert (backup.manifest["mode"], len(backup.manifest["snapshots"])) == ("cold", 5)
    assert b"came_later" not in backup.content("databases.tar.gz")
    assert not (backup.unpack("vmail") / "dovecot/example.com/late").exists()


def test_a_run_that_is_killed_while_they_stand_is_put_right_by_the_next_one(host: Host) -> None:
    before = host.state()
    run = host.begin("-B", "all", REQUIRE)
    held_while_packing(run, "nextcloud")
    assert len(standing(host.hermes)) == 3
    run.kill()
    second = host.succeeds("-B", "archive")
    told = second.stdout.partition("== Leftovers of an earlier run ==")[2].partition("== Checks ==")[0]
    assert told.count("removed the snapshot of ") == 1
    assert standing(host.hermes) == []
    assert host.state() == before


def test_a_run_that_a_signal_ends_leaves_none(host: Host) -> None:
    before = host.state()
    run = host.begin("-B", "all", "--cold", REQUIRE)
    held_while_packing(run, "config")
    run.process.terminate()
    run.go_on()
    host.check_failed(run, before, code=143)
    assert standing(host.hermes) == []


@pytest.mark.parametrize(("layout", "subvolumes"), [("separate", ("data", "vmail")), ("single", ("data",))])
def test_a_backup_from_snapshots_is_restored_and_nothing_is_lost(
    engine: Engine, folders: Iterator[Path], layout: str, subvolumes: tuple[str, ...]
) -> None:
    with standing_on_btrfs(engine, next(folders), layout=layout, subvolumes=subvolumes) as hermes:
        before, made = picture(hermes), volumes(hermes)
        call = back_up(hermes, "all", REQUIRE)
        assert differences(before, picture(hermes)) == []
        assert len(opened(call.tarball, hermes.base / "opened").manifest["snapshots"]) == 5
        damage(hermes)
        damaged, running = picture(hermes), hermes.running()
        restore(hermes, call.tarball).must_end_well()
        check_nothing_left(hermes)
        due = damaged.with_parts_of(before, *parts_of("all"))
        assert differences(due.but(ROOT_ACCOUNT), picture(hermes).but(ROOT_ACCOUNT)) == []
        assert (hermes.running(), volumes(hermes)) == (running, made)
