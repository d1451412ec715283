"""What is switched off comes back, whether the body raises or the switching back does."""

from __future__ import annotations

import pytest

from hermes_backup_core.backup.switches import Switches
from hermes_backup_core.domain.errors import CommandFailed
from hermes_backup_core.services.nextcloud import Nextcloud
from tests.unit.fakes.host import MemoryHost, plain_host
from tests.unit.fakes.stack import MemoryStack
from tests.unit.fakes.watching import MemoryClock, MemoryJournal, MemoryReporter
from tests.unit.fakes.wiring import RECORD, recovery_of


def switches_of(host: MemoryHost) -> Switches:
    stack = MemoryStack(host)
    return Switches(
        record=RECORD,
        journal=MemoryJournal(host),
        stack=stack,
        nextcloud=Nextcloud(stack),
        recovery=recovery_of(host),
        clock=MemoryClock(host),
        reporter=MemoryReporter(host),
        uninterruptible=host.shield,
    )


class Broken(Exception):
    pass


def test_maintenance_mode_ends_where_the_body_raises() -> None:
    host = plain_host()
    with pytest.raises(Broken), switches_of(host) as switches, switches.nextcloud_in_maintenance():
        assert host.maintenance
        raise Broken
    assert (host.maintenance, host.journal) == (False, None)


def test_the_stack_runs_again_where_the_body_raises() -> None:
    host = plain_host()
    before = host.running()
    switches = switches_of(host)
    with pytest.raises(Broken), switches, switches.stack_stopped(), switches.serving(("hermes_db_server",)):
        assert host.running() == {"hermes_db_server"}
        raise Broken
    assert (host.running(), host.journal) == (before, None)


def test_what_is_spared_goes_on() -> None:
    host = plain_host()
    host.may_run = frozenset({"hermes_commandbox", "hermes_postfix_dkim"})
    before = host.running()
    with switches_of(host) as switches, switches.stack_stopped(tuple(host.may_run)):
        assert host.running() == host.may_run
    assert (host.running(), host.violations) == (before, [])


def test_a_partial_file_goes_where_the_body_raises() -> None:
    host = plain_host()
    with pytest.raises(Broken), switches_of(host) as switches:
        switches.announce_partial("/backups/x.partial")
        host.add("/backups/x.partial")
        raise Broken
    assert "/backups/x.partial" not in host.files
    assert host.lines("info") == ["removed /backups/x.partial"]


def test_a_body_that_raises_is_the_error_even_where_nothing_can_be_given_back() -> None:
    host = plain_host(occ_trouble={"--off": "no"})
    switches = switches_of(host)
    with pytest.raises(Broken), switches, switches.nextcloud_in_maintenance():
        raise Broken
    assert len(switches.problems) == 1
    assert host.lines("warn") == list(switches.problems)
    assert host.journal is not None


def test_signals_are_held_back_before_anything_is_given_back() -> None:
    host = plain_host()
    with switches_of(host) as switches, switches.nextcloud_in_maintenance():
        pass
    assert host.shielded
    seen: list[bool] = []
    host = plain_host()
    host.hook = lambda moment, _, call: seen.append(host.shielded) if call == "stack.start" else None
    with pytest.raises(Broken), switches_of(host) as switches, switches.stack_stopped():
        raise Broken
    assert seen
    assert all(seen)


def test_a_journal_that_cannot_be_cleared_is_a_warning_and_does_not_fail_what_succeeded() -> None:
    host = plain_host()

    def hook(moment: str, number: int, call: str) -> None:
        if call == "journal.clear":
            raise OSError(5, "Input/output error")

    host.hook = hook
    with switches_of(host) as switches:
        switches.announce_partial("/backups/x.partial")
    (warning,) = host.lines("warn")
    assert "Input/output error" in warning
    assert switches.problems == ()


def test_a_stack_of_which_nothing_runs_is_stopped_and_started_as_nothing() -> None:
    host = plain_host()
    for box in host.boxes.values():
        box.state = "exited"
    with switches_of(host) as switches, switches.stack_stopped():
        pass
    assert host.lines("info") == ["stopping nothing", "started nothing"]
    assert host.running() == frozenset()


def test_a_stop_that_the_engine_refuses_is_the_error_and_all_runs_again() -> None:
    host = plain_host()
    before = host.running()

    def hook(moment: str, number: int, call: str) -> None:
        if call == "stack.stop" and moment == "before":
            host.boxes["hermes_dovecot"].state = "exited"
            raise CommandFailed(("docker", "stop"), 1, "cannot stop")

    host.hook = hook
    with pytest.raises(CommandFailed, match="cannot stop"), switches_of(host) as switches, switches.stack_stopped():
        pytest.fail("the body ran")
    assert host.running() == before
