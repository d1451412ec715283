"""The output's file system has too little room: told before work where it can be known, and cleaned up where not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stack.failures.breaking import big_file, command, ext4, large_table, tmpfs
from tests.stack.failures.host import Host


def test_too_little_room_is_refused_before_any_work_with_figures(host: Host) -> None:
    with tmpfs(host.output, size="1m"):
        ended = host.refused("-B", "vmail")
        assert "not enough room in" in ended.error
        assert str(host.output) in ended.error
        assert "the backup needs about" in ended.error
        assert "Free" in ended.error
        assert "or choose another -P" in ended.error


@pytest.mark.parametrize("kind", ["tmpfs", "ext4"])
def test_a_disk_that_runs_full_in_the_middle_of_a_tier_is_left_as_it_was(host: Host, kind: str) -> None:
    """Bytes that cannot be compressed need twice what the estimate said."""
    big = host.hermes.tiers["vmail"] / "dovecot/incompressible"
    big_file(big, 12)
    try:
        with tmpfs(host.output, size="10m") if kind == "tmpfs" else ext4(host.output, megabytes=12):
            free = blocks_free(host.output)
            ended = host.fails("-B", "vmail", "--notify-email=admin@example.com")
            assert "== Backup ==" in ended.stdout
            assert f"no room left in {host.output} after" in ended.error
            assert "Free some space there or choose another -P, then run the backup again." in ended.error
            assert free - blocks_free(host.output) <= 8
    finally:
        big.unlink()
    (mail,) = host.hermes.received_mail(at_least=1)
    assert b"no room left in" in mail


def test_a_disk_that_runs_full_in_the_middle_of_the_dumps_is_left_as_it_was(host: Host) -> None:
    with large_table(host.hermes, megabytes=16), tmpfs(host.output, size="8m"):
        ended = host.fails("-B", "system")
        assert "ldap.ldif.gz" in ended.stdout
        assert "config.tar.gz" not in ended.stdout.split("== Backup ==")[1]
        assert f"no room left in {host.output} after" in ended.error


def test_a_disk_without_inodes_is_refused(host: Host) -> None:
    with tmpfs(host.output, inodes=3):
        ended = host.refused("-B", "archive")
        assert f"no room in {host.output} for another file (2 inodes free)" in ended.error


def test_where_not_even_the_log_finds_an_inode_it_goes_to_the_temporary_folder(host: Host) -> None:
    with tmpfs(host.output, inodes=1):
        ended = host.refused("-B", "archive")
        assert "(0 inodes free)" in ended.error
        assert ended.log_path is not None  # narrows the type for the claims below
        assert ended.log_path.parent == host.temporary
        assert [w for w in ended.warnings if "no log can be written to" in w and str(ended.log_path) in w]


def test_an_output_that_does_not_exist_is_refused_and_not_made(host: Host) -> None:
    missing = host.folder / "not mounted"
    ended = host.refused("-B", "archive", output=missing)
    assert f"-P {missing} does not exist or is no folder: create it, or mount its disk" in ended.error
    assert not missing.exists()


def test_an_output_that_is_mounted_read_only_is_refused(host: Host) -> None:
    with tmpfs(host.output):
        command("mount", "-o", "remount,ro", str(host.output))
        ended = host.refused("-B", "archive")
        assert f"-P {host.output} is on a file system that is mounted read-only" in ended.error


def test_an_output_that_is_a_tier_is_refused(host: Host) -> None:
    vmail = host.hermes.tiers["vmail"]
    ended = host.backup("-B", "vmail", output=vmail)
    assert ended.code == 1
    assert f"-P {vmail} is the vmail tier itself" in ended.error
    assert ended.log_path is not None  # narrows the type for the claims below
    ended.log_path.unlink()
    assert not list(vmail.glob("hermes-backup*"))


def blocks_free(place: Path) -> int:
    return int(command("stat", "-f", "--format=%f", str(place)))
