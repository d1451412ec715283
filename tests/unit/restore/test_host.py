"""The containers during a restore: all down, the database alone, all up again, and what is not well."""

from __future__ import annotations

import pytest

from hermes_backup_core.restore.host import Host
from hermes_backup_core.services.mariadb import DatabaseUnreachable
from tests.unit.fakes.host import MemoryHost
from tests.unit.fakes.watching import MemoryReporter
from tests.unit.fakes.wiring import restore_host, restore_job_of

DATABASE = "hermes_db_server"


@pytest.fixture
def memory() -> MemoryHost:
    return restore_host()


@pytest.fixture
def host(memory: MemoryHost) -> Host:
    return restore_job_of(memory).host


def test_all_that_runs_is_stopped_and_where_nothing_runs_nothing_is_done(memory: MemoryHost, host: Host) -> None:
    host.stop(())
    assert not memory.running()
    memory.calls.clear()
    host.stop(())
    assert memory.calls == ["stack.containers"]


def test_what_is_spared_goes_on(memory: MemoryHost, host: Host) -> None:
    memory.may_run = frozenset({"hermes_dovecot", "hermes_postfix_dkim"})
    host.stop(memory.may_run)
    assert memory.running() == memory.may_run
    host.have_database_alone(memory.may_run)
    assert memory.running() == {DATABASE, *memory.may_run}
    host.stop(memory.may_run)
    host.create(memory.may_run)
    assert memory.created == [tuple(sorted(memory.boxes.keys() - memory.may_run))]
    assert memory.violations == []


def test_postfix_delivers_at_once_what_waits(memory: MemoryHost, host: Host) -> None:
    host.queue.deliver_now(MemoryReporter(memory))
    assert memory.executed[-1][:2] == ("hermes_postfix_dkim", ("postqueue", "-f"))


@pytest.mark.parametrize("running", ["all", "none", "the others", "alone"])
def test_the_database_is_up_alone_whatever_ran(memory: MemoryHost, host: Host, running: str) -> None:
    for name, box in memory.boxes.items():
        runs = {"all": True, "none": False, "the others": name != DATABASE, "alone": name == DATABASE}[running]
        box.state = "running" if runs else "exited"
    memory.database.boots_for = 3
    host.have_database_alone(())
    assert memory.running() == {DATABASE}
    assert memory.started_with == []


def test_a_database_that_does_not_answer_is_an_error(memory: MemoryHost, host: Host) -> None:
    memory.database.boots_for = 1e9
    with pytest.raises(DatabaseUnreachable):
        host.have_database_alone(())


def test_containers_are_made_anew_but_not_started(memory: MemoryHost, host: Host) -> None:
    host.stop(())
    host.create(())
    assert memory.created == [tuple(sorted(memory.boxes))]
    assert not memory.running()
    host.start(("hermes_ldap",))
    assert memory.running() == {"hermes_ldap"}


def ailments(host: Host, *names: str, end_maintenance: bool = False) -> list[str]:
    return list(host.ailments(names, end_maintenance=end_maintenance))


def test_a_stack_that_is_well_has_no_ailments(memory: MemoryHost, host: Host) -> None:
    memory.maintenance = True
    assert ailments(host, *memory.boxes, end_maintenance=True) == []
    assert not memory.maintenance


def test_everything_that_is_not_well_is_told(memory: MemoryHost, host: Host) -> None:
    memory.boxes["hermes_ldap"].state = "exited"
    memory.console_boots_for, memory.occ_boots_for = 1e9, 1e9
    found = ailments(host, *memory.boxes, end_maintenance=True)
    assert found[:2] == [
        "hermes_ldap (exited) is not well: look at `docker logs hermes_ldap`",
        "the admin console does not answer: look at `docker logs hermes_commandbox`",
    ]
    assert found[2].startswith("Nextcloud is still in maintenance mode (Nextcloud is not installed")


def test_a_console_and_a_nextcloud_that_did_not_run_before_are_not_asked(memory: MemoryHost, host: Host) -> None:
    memory.boxes["hermes_commandbox"].state = "exited"
    assert ailments(host, "hermes_ldap") == []
    assert not [call for call in memory.calls if call.startswith("stack.run")]
