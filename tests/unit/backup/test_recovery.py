"""Putting right: every part is tried, containers come up for good, and what is left stays on the record."""

from __future__ import annotations

import pytest
from attrs import evolve

from hermes_backup_core.domain.record import RunRecord
from hermes_backup_core.services.containers import START_PATIENCE, NotRunning
from hermes_backup_core.services.nextcloud import StillInMaintenance
from tests.unit.fakes.host import plain_host
from tests.unit.fakes.watching import MemoryClock
from tests.unit.fakes.wiring import RECORD, recovery_of


def test_a_record_of_nothing_needs_nothing() -> None:
    host = plain_host()
    outcome = recovery_of(host).put_right(RECORD)
    assert (outcome.done, outcome.problems, outcome.left) == ((), (), RECORD)
    assert host.calls == []


def test_what_has_come_right_by_itself_is_not_mentioned() -> None:
    host = plain_host()
    record = evolve(RECORD, partial="/backups/gone", stopped=("hermes_dovecot",), serving=("hermes_db_server",))
    outcome = recovery_of(host).put_right(evolve(record, stopped=("hermes_dovecot", "hermes_db_server")))
    assert (outcome.done, outcome.problems, outcome.left) == ((), (), RECORD)


def test_what_ran_for_the_dumps_only_is_stopped() -> None:
    host = plain_host()
    outcome = recovery_of(host).put_right(evolve(RECORD, serving=("hermes_db_server", "hermes_ldap")))
    assert outcome.done == ("stopped hermes_db_server, hermes_ldap, which did not run before",)
    assert not {"hermes_db_server", "hermes_ldap"} & host.running()


def test_what_was_to_serve_and_does_not_run_is_left_alone() -> None:
    host = plain_host()
    host.boxes["hermes_ldap"].state = "exited"
    outcome = recovery_of(host).put_right(evolve(RECORD, serving=("hermes_ldap",)))
    assert (outcome.done, outcome.left) == ((), RECORD)
    assert "stack.stop" not in host.calls


def under_way(ends: float) -> RunRecord:
    """A run that was killed while the engine was stopping the database, with ``ends`` seconds to go."""
    by = MemoryClock(plain_host()).now().timestamp() + ends
    return evolve(RECORD, stopped=("hermes_db_server",), stopping=("hermes_db_server",), stop_ends=by)


@pytest.mark.parametrize("goes_down_after", [0.5, 45.0, 119.0])
def test_a_stop_that_a_killed_run_began_and_that_ends_later_is_undone_as_well(goes_down_after: float) -> None:
    """The engine stops a container on, after the client that asked for it was killed."""
    host = plain_host()
    went_down: list[str] = []

    def hook(moment: str, number: int, call: str) -> None:
        if host.now > goes_down_after and not went_down:
            went_down.append(call)
            host.boxes["hermes_db_server"].state = "exited"

    host.hook = hook
    outcome = recovery_of(host).put_right(under_way(120.0))
    assert went_down
    assert outcome.left.stopping == ()
    assert "hermes_db_server" in host.running()
    assert host.now < goes_down_after + 10


def test_nobody_waits_for_a_stop_that_must_have_ended_long_ago() -> None:
    host = plain_host()
    recovery_of(host).put_right(under_way(-1.0))
    assert host.now <= 2


def test_a_container_that_is_never_stopped_is_waited_for_until_the_engine_must_have_done_so() -> None:
    host = plain_host()
    outcome = recovery_of(host).put_right(under_way(130.0))
    assert (outcome.problems, outcome.left.stopped) == ((), ())
    assert 130 <= host.now <= 135


def test_the_engines_reason_is_kept_where_a_container_does_not_start() -> None:
    host = plain_host()
    for name in ("hermes_dovecot", "hermes_ldap"):
        host.boxes[name].state, host.boxes[name].start = "exited", "refuses"
    with pytest.raises(NotRunning) as caught:
        recovery_of(host).start(("hermes_dovecot", "hermes_ldap", "hermes_authelia"))
    assert caught.value.containers == ("hermes_dovecot", "hermes_ldap")
    assert "docker start hermes_dovecot hermes_ldap" in str(caught.value)
    assert "driver failed programming port 25" in str(caught.value.__cause__)
    assert START_PATIENCE < host.now < START_PATIENCE + 10


def test_one_part_that_fails_does_not_keep_the_others_from_being_done() -> None:
    host = plain_host(maintenance=True)
    host.add("/backups/x.partial")
    host.boxes["hermes_dovecot"].state = "exited"

    def hook(moment: str, number: int, call: str) -> None:
        if call == "files.remove" and moment == "before":
            raise PermissionError(1, "Operation not permitted")

    host.hook = hook
    record = evolve(RECORD, partial="/backups/x.partial", stopped=("hermes_dovecot",), maintenance=True)
    outcome = recovery_of(host).put_right(record)
    assert outcome.done == ("started hermes_dovecot", "switched Nextcloud's maintenance mode off")
    assert len(outcome.problems) == 1
    assert "Operation not permitted" in outcome.problems[0]
    assert outcome.left == evolve(RECORD, partial="/backups/x.partial")


def test_a_partial_file_with_an_odd_name_is_removed_and_shown_escaped() -> None:
    host = plain_host()
    host.add("/mnt/caf\udce9/x.partial")
    outcome = recovery_of(host).put_right(evolve(RECORD, partial="/mnt/caf\udce9/x.partial"))
    assert outcome.done == ("removed /mnt/caf\\xe9/x.partial",)


def test_occ_is_asked_for_a_minute_and_then_named() -> None:
    host = plain_host(maintenance=True, occ_trouble={"--off": "not ready"})
    with pytest.raises(StillInMaintenance, match="docker exec -u www-data hermes_nextcloud"):
        recovery_of(host).end_maintenance()
    assert 60 <= host.now <= 62
