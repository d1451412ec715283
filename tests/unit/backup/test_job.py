"""A job: what preparing looks at, what putting right says, and what is asked of the console afterwards."""

from __future__ import annotations

import pytest
from attrs import evolve

from hermes_backup_core.domain.errors import Refused
from hermes_backup_core.domain.scope import Mode, Scope
from tests.unit.fakes.host import OUTPUT, plain_host
from tests.unit.fakes.watching import MemoryJournal
from tests.unit.fakes.wiring import RECORD, back_up, job_of, request_of


@pytest.mark.parametrize("mode", Mode)
def test_preparing_changes_nothing_on_the_host(mode: Mode) -> None:
    host = plain_host()
    before = host.state()
    plan, verdict = job_of(host).prepare(request_of(Scope.ALL, mode))
    assert verdict.refusals == ()
    assert plan.name.tarball == "hermes-backup-all-v260119-20260601T103000Z.tar"
    assert host.state() == before
    assert not {"stack.stop", "stack.start", "files.create", "journal.write"} & set(host.calls)


def test_a_run_that_ended_leaves_nothing_to_put_right() -> None:
    host = plain_host()
    back_up(host)
    assert job_of(host).leftovers() is None


def test_what_a_killed_run_left_is_named_and_put_right() -> None:
    host = plain_host(maintenance=True)
    partial = f"{OUTPUT}/hermes-backup-all-v260119-20260601T103000Z.tar.partial"
    host.add(partial, b"half")
    host.boxes["hermes_dovecot"].state = "exited"
    MemoryJournal(host).write(evolve(RECORD, partial=partial, stopped=("hermes_dovecot",), maintenance=True))
    job = job_of(host)
    job.put_right(job.leftovers() or RECORD)
    assert host.lines("warn") == ["the run of pid 4711 (`system_backup.sh -B all`, 2026-06-01 12:30:00) was killed"]
    assert host.lines("info") == [
        f"removed {partial}",
        "started hermes_dovecot",
        "switched Nextcloud's maintenance mode off",
    ]
    assert partial not in host.files
    assert (host.maintenance, host.journal, host.boxes["hermes_dovecot"].state) == (False, None, "running")


def test_what_cannot_be_put_right_is_refused_and_stays_recorded() -> None:
    host = plain_host(maintenance=True, occ_trouble={"--off": "no"})
    host.boxes["hermes_dovecot"].state, host.boxes["hermes_dovecot"].start = "exited", "dies"
    record = evolve(RECORD, stopped=("hermes_dovecot", "hermes_ldap"), maintenance=True, partial="/backups/gone")
    MemoryJournal(host).write(record)
    job = job_of(host)
    with pytest.raises(Refused, match="2 things stand in the way") as caught:
        job.put_right(job.leftovers() or RECORD)
    assert "hermes_dovecot did not start again" in str(caught.value)
    assert "still in maintenance mode" in str(caught.value)
    assert job.leftovers() == evolve(record, partial=None)


def test_a_console_that_does_not_answer_within_a_minute_is_a_warning() -> None:
    host = plain_host(console_boots_for=1e6)
    result = back_up(host, request_of(Scope.VMAIL, Mode.COLD))
    assert result.problems == ()
    assert host.lines("warn") == ["the admin console does not answer yet: look at `docker logs hermes_commandbox`"]
    assert 60 <= host.now < 70


def test_a_console_that_takes_a_while_is_waited_for() -> None:
    host = plain_host(console_boots_for=40)
    back_up(host, request_of(Scope.VMAIL, Mode.COLD))
    assert host.lines("warn") == []


def test_a_hot_backup_does_not_ask_the_console() -> None:
    host = plain_host(console_boots_for=1e6)
    back_up(host, request_of(Scope.VMAIL))
    assert "stack.run curl" not in host.calls


def test_a_caller_that_has_no_signals_to_hold_back_needs_to_give_nothing() -> None:
    host = plain_host()
    job = job_of(host)
    plan, _ = job.prepare(request_of(Scope.VMAIL))
    assert job.carry_out(plan, RECORD).path in host.files


def test_a_second_backup_within_the_same_second_gets_a_name_of_its_own() -> None:
    host = plain_host()
    host.takes.clear()
    first, second = back_up(host), back_up(host)
    assert first.path != second.path
    assert {first.path, second.path} <= host.files.keys()
