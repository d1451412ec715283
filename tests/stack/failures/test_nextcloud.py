"""Nextcloud's maintenance mode: what cannot be switched is a warning; what was switched never stays so."""

from __future__ import annotations

import os
import signal

import pytest

from tests.stack.failures.breaking import replaced, stopped
from tests.stack.failures.host import Host

pytestmark = pytest.mark.usefixtures("heavy")


def test_an_occ_that_is_broken_is_a_warning_and_the_backup_is_made(host: Host) -> None:
    with replaced(host.hermes.tiers["nextcloud"] / "app/occ", "<?php fwrite(STDERR, 'no such app'); exit(1);"):
        ended = host.succeeds("-B", "nextcloud")
        (warning,) = ended.warnings_about("maintenance mode")
        assert warning.startswith("occ cannot switch Nextcloud's maintenance mode on, so its files are packed live")
        assert "no such app" in warning
    assert not host.state().maintenance


def test_a_stopped_nextcloud_is_a_warning_and_the_backup_is_made(host: Host) -> None:
    with stopped(host.hermes, "hermes_nextcloud"):
        ended = host.succeeds("-B", "nextcloud")
        assert ended.warnings_about("container hermes_nextcloud does not run: its files are packed without maintenance")
        assert "hermes_nextcloud" not in host.running()


def test_maintenance_mode_that_was_on_before_stays_on_through_a_failure(host: Host) -> None:
    host.hermes.occ("maintenance:mode", "--on")
    before = host.state()
    assert before.maintenance
    run = host.begin("-B", "nextcloud")
    os.kill(run.until_packing(host.hermes.tiers["nextcloud"]), signal.SIGKILL)
    ended = host.check_failed(run, before)
    assert "Nextcloud is in maintenance mode already, and stays so" in ended.stdout


def test_maintenance_mode_that_was_on_before_stays_on_through_a_backup(host: Host) -> None:
    host.hermes.occ("maintenance:mode", "--on")
    host.succeeds("-B", "nextcloud")
    assert host.state().maintenance


def test_a_failure_in_maintenance_mode_ends_it(host: Host) -> None:
    before = host.state()
    run = host.begin("-B", "nextcloud", "--notify-email=admin@example.com")
    tar = run.until_packing(host.hermes.tiers["nextcloud"])
    assert host.state().maintenance
    os.kill(tar, signal.SIGKILL)
    ended = host.check_failed(run, before)
    assert "switched Nextcloud's maintenance mode off" in ended.stdout
    assert "tar ended with signal 9" in ended.error
    (mail,) = host.hermes.received_mail(at_least=1)
    assert b"tar ended with signal 9" in mail
    assert b"switched Nextcloud's maintenance mode off" in mail


def test_a_nextcloud_that_is_stopped_during_its_maintenance_is_told_and_left_to_the_next_run(host: Host) -> None:
    """The flag lies in a file that only `occ` may write, so the operator hears what to type, and exit code 1."""
    run = host.begin("-B", "nextcloud", seconds="hermes_backup_core.services.nextcloud._OCC_PATIENCE=1")
    tar = run.until_packing(host.hermes.tiers["nextcloud"])
    os.kill(tar, signal.SIGSTOP)
    with stopped(host.hermes, "hermes_nextcloud"):
        os.kill(tar, signal.SIGCONT)
        ended = run.ended()
        assert ended.code == 1
        assert "is whole, but" in ended.error
        assert "docker exec -u www-data hermes_nextcloud php /var/www/html/occ maintenance:mode --off" in ended.error
        host.whole_backup()
    assert host.state().maintenance
    second = host.succeeds("-B", "archive")
    assert "switched Nextcloud's maintenance mode off" in second.stdout
    assert not host.state().maintenance
