"""A cold backup fails: whatever happens while the stack is stopped, exactly what ran before runs again."""

from __future__ import annotations

import os
import signal

import pytest

from tests.stack.failures.breaking import altered, moved, stopped
from tests.stack.failures.host import Host

pytestmark = pytest.mark.usefixtures("heavy")
IMPATIENT = "hermes_backup_core.services.containers.START_PATIENCE=6"


def test_a_dump_that_fails_starts_all_again_that_ran_and_nothing_else(host: Host) -> None:
    make = "CREATE TABLE gone (n INT); CREATE VIEW looks_at_gone AS SELECT n FROM gone; DROP TABLE gone;"
    view = altered(host.hermes, do=f"USE authelia; {make}", undo="DROP VIEW authelia.looks_at_gone")
    with stopped(host.hermes, "hermes_mail_filter"), view:
        ended = host.fails("-B", "system", "--cold", "--notify-email=admin@example.com")
        assert "the dump of database authelia failed" in ended.error
        assert "looks_at_gone" in ended.error
        assert "started hermes_authelia" in ended.stdout
    (mail,) = host.hermes.received_mail(at_least=1)
    assert b"looks_at_gone" in mail


def test_a_directory_that_fails_starts_all_again(host: Host) -> None:
    """slapd itself cannot start for the dumps, so it is mended before it has to start again for good."""
    before = host.state()
    configuration = host.hermes.root / "config/ldap/etc/ldap/slapd.d/cn=config.ldif"
    run = host.begin("-B", "all", "--cold")
    run.until(lambda: (record := run.journal()) and record.stopped, "a stack that is being stopped")
    run.freeze()
    with moved(configuration):
        run.process.send_signal(signal.SIGCONT)
        run.until(lambda: "for the dumps" in run.said(), "the start for the dumps")
        run.until(lambda: not list(host.output.glob("*.partial")), "the end of the partial file")
    ended = host.check_failed(run, before)
    assert "hermes_ldap" in ended.error or "LDAP" in ended.error


def test_a_tar_that_is_killed_starts_all_again_that_ran(host: Host) -> None:
    before = host.state()
    run = host.begin("-B", "vmail", "--cold")
    tar = run.until_packing(host.hermes.tiers["vmail"])
    assert host.running() == set()
    os.kill(tar, signal.SIGKILL)
    ended = host.check_failed(run, before)
    assert "tar ended with signal 9" in ended.error
    assert "started hermes_authelia, hermes_commandbox, hermes_db_server" in ended.stdout


@pytest.mark.parametrize(
    ("tier", "folder", "container"),
    [("nextcloud", "redis", "hermes_redis"), ("archive", "amavis", "hermes_mail_filter")],
    ids=["that others need", "that nothing needs"],
)
def test_a_container_that_does_not_start_again_is_named_and_does_not_keep_the_others(
    host: Host, tier: str, folder: str, container: str
) -> None:
    """The backup is whole and kept; its exit code is 1, and the next run tries again."""
    broken = host.hermes.tiers[tier] / folder
    everything = host.running()
    run = host.begin("-B", "vmail", "--cold", "--notify-email=admin@example.com", seconds=IMPATIENT)
    os.kill(tar := run.until_packing(host.hermes.tiers["vmail"]), signal.SIGSTOP)
    with moved(broken):
        os.kill(tar, signal.SIGCONT)
        ended = run.ended()
        assert ended.code == 1
        assert "is whole, but" in ended.error
        assert f"{container} did not start again (" in ended.error
        assert f"{broken}" in ended.error
        assert f"look at `docker logs {container}`, then run `docker start {container}`" in ended.error
        assert host.running() == everything - {container}
        host.whole_backup()
        record = run.journal()
        assert record is not None  # narrows the type for the claims below
        assert container in record.stopped
    (mail,) = host.hermes.received_mail(at_least=1)
    assert b"[FAILURE]" in mail
    second = host.succeeds("-B", "archive")
    assert f"] started {container}\n" in second.stdout
    assert host.running() == everything


@pytest.mark.parametrize("kind", ["database", "other"])
def test_what_had_to_be_killed_at_its_stop_matters_where_it_is_a_database(host: Host, kind: str) -> None:
    """The engine kills what does not end in time, and a database's files may be torn then. slapd is quicker to test."""
    before = host.state()
    place = "hermes_backup_core.domain.host"
    run = host.begin("-B", "archive", "--cold", seconds=f"{place}.STOP_SECONDS=2 {place}.GRACE_SECONDS=2")
    run.until(lambda: (record := run.journal()) and record.stopped, "a stack that is being stopped")
    container = "hermes_ldap" if kind == "database" else "hermes_commandbox"
    os.kill(host.server(container), signal.SIGSTOP)
    if kind == "database":
        ended = host.check_failed(run, before)
        assert "hermes_ldap did not stop within 2 s and was killed" in ended.error
        assert "this would be no clean cold backup" in ended.error
        assert "look at `docker logs hermes_ldap`" in ended.error
    else:
        ended = run.ended()
        assert ended.code == 0
        assert ended.warnings_about("hermes_commandbox did not end by itself and was killed")
        assert host.state() == before


def test_what_was_stopped_before_stays_stopped(host: Host) -> None:
    with stopped(host.hermes, "hermes_nginx"):
        before = host.state()
        host.succeeds("-B", "archive", "--cold")
        assert host.state() == before


def test_a_console_that_does_not_answer_afterwards_is_a_warning(host: Host) -> None:
    with stopped(host.hermes, "hermes_commandbox"):
        run = host.begin("-B", "archive", "--cold", seconds="hermes_backup_core.services.console._PATIENCE=2")
        ended = run.ended()
        assert ended.code == 0
        assert ended.warnings_about("the admin console does not answer yet: look at `docker logs hermes_commandbox`")
        host.whole_backup()
