"""A tier is not there, not what it should be, or cannot be read to its end."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest

from tests.stack.failures.breaking import MEGABYTE, big_file, command, ext4, moved, replaced
from tests.stack.failures.host import Host

KEYS = {"data": "DATA_MOUNT", "archive": "ARCHIVE_MOUNT", "vmail": "VMAIL_MOUNT", "nextcloud": "FILES_MOUNT"}


def test_a_tar_that_is_killed_is_a_failure_that_names_the_tier(host: Host) -> None:
    vmail = host.hermes.tiers["vmail"]
    big = vmail / "dovecot/big"
    big_file(big, 80)
    try:
        before = host.state()
        run = host.begin("-B", "vmail", "--notify-email=admin@example.com")
        os.kill(run.until_packing(vmail), signal.SIGKILL)
        ended = host.check_failed(run, before)
    finally:
        big.unlink()
    assert f"{vmail} could not be read to its end: tar ended with signal 9" in ended.error
    assert "run the backup again" in ended.error
    (mail,) = host.hermes.received_mail(at_least=1)
    assert b"tar ended with signal 9" in mail


def test_a_disk_error_is_a_failure_that_names_the_file(host: Host) -> None:
    """The device ends before the file does, as the loop driver lets it."""
    vmail = host.hermes.tiers["vmail"]
    with ext4(host.folder / "disk", megabytes=16) as disk:
        for number in range(3):
            (disk / f"file-{number}").write_bytes(os.urandom(2 * MEGABYTE))
        os.sync()
        place = vmail / "dovecot/on-a-failing-disk"
        place.mkdir()
        command("mount", "--bind", str(disk), str(place))
        try:
            os.truncate(disk.with_name("disk.image"), 5 * MEGABYTE)
            Path("/proc/sys/vm/drop_caches").write_text("1")
            ended = host.fails("-B", "vmail")
        finally:
            command("umount", str(place))
            place.rmdir()
    assert f"{vmail} could not be read to its end: tar ended with exit code 2" in ended.error
    assert "on-a-failing-disk/file-" in ended.error
    assert "Input/output error" in ended.error
    assert "a failing disk shows in `dmesg`" in ended.error


@pytest.mark.parametrize("tier", ["data", "archive", "vmail", "nextcloud"])
def test_a_tier_that_is_not_there_is_refused_by_its_name_and_its_key(host: Host, tier: str) -> None:
    path = host.hermes.tiers[tier]
    with moved(path):
        ended = host.backup("-B", "all")
        assert ended.code == 1
        assert f"the {tier} tier ({KEYS[tier]}, {path}) is not there" in ended.error
        assert "mount its disk, or correct the path in .env" in ended.error
        host.check_nothing_left()
        assert not list(host.output.glob("*.tar"))
        assert not path.exists()


def test_a_tier_that_is_an_empty_mount_point_is_refused(host: Host) -> None:
    path = host.hermes.tiers["vmail"]
    with moved(path):
        path.mkdir()
        try:
            ended = host.refused("-B", "vmail")
        finally:
            path.rmdir()
        assert f"the vmail tier (VMAIL_MOUNT, {path}) is empty, as an unmounted disk would be" in ended.error


def test_a_tier_without_a_folder_that_a_volume_is_bound_to_is_refused(host: Host) -> None:
    folder = host.hermes.tiers["data"] / "nginx/logs"
    with moved(folder):
        ended = host.refused("-B", "system")
        assert f"lacks {folder}, which Compose's volumes need: is its disk mounted?" in ended.error


def test_a_mount_that_fstab_promises_and_that_is_not_there_is_refused(host: Host) -> None:
    """In a mount namespace of its own, where a file of ours lies over `/etc/fstab`."""
    vmail = host.hermes.tiers["vmail"]
    fstab = host.folder / "fstab"
    fstab.write_text(f"# disks\n/dev/sdb1 {vmail} ext4 defaults 0 2\n/dev/sdc1 /elsewhere ext4 defaults 0 2\n")
    script = 'mount --bind "$0" /etc/fstab && exec "$@"'
    through = ("unshare", "--mount", "sh", "-c", script, str(fstab))
    ended = host.refused("-B", "vmail", through=through)
    assert f"the vmail tier (VMAIL_MOUNT, {vmail}) should have a disk mounted at {vmail}" in ended.error
    assert f"run `mount {vmail}`" in ended.error
    assert host.succeeds("-B", "archive").code == 0


@pytest.mark.parametrize("value", ["", "/", "mnt/vmail", "/etc", "'/'", "//", "/var/.."])
def test_a_path_that_can_be_no_tiers_is_refused_by_its_key(host: Host, value: str) -> None:
    vmail = str(host.hermes.tiers["vmail"])
    lines = host.hermes.env_file.read_text().splitlines()
    text = "\n".join(f"VMAIL_MOUNT={value}" if vmail in line else line for line in lines)
    with replaced(host.hermes.env_file, f"{text}\n"):
        ended = host.refused("-B", "vmail")
        assert "VMAIL_MOUNT" in ended.error


def test_all_that_stands_in_the_way_is_told_at_once(host: Host) -> None:
    data, vmail = host.hermes.tiers["data"], host.hermes.tiers["vmail"]
    with moved(data / "nginx/logs"), moved(vmail):
        ended = host.refused("-B", "all", output=host.folder / "missing")
        assert "3 things stand in the way" in ended.error
        for culprit in (str(data / "nginx/logs"), str(vmail), str(host.folder / "missing")):
            assert culprit in ended.stderr


@pytest.mark.parametrize("kind", ["not there", "empty", "without .env"])
def test_an_install_root_that_is_none_is_refused(host: Host, kind: str) -> None:
    wrong = host.folder / "wrong root"
    if kind != "not there":
        wrong.mkdir()
    if kind == "without .env":
        shutil.copy(host.hermes.root / "docker-compose.yml", wrong)
    ended = host.refused("-B", "vmail", environ={"HERMES_ROOT": str(wrong)})
    assert str(wrong) in ended.error
    assert ("HERMES_ROOT" if kind != "without .env" else ".env") in ended.error
