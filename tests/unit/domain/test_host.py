"""Facts of a host, and what follows from them at once."""

from __future__ import annotations

import pytest

from hermes_backup_core.domain.host import Container


@pytest.mark.parametrize(
    ("state", "runs"),
    [
        ("running", True),
        ("restarting", True),
        ("paused", False),
        ("exited", False),
        ("created", False),
        ("dead", False),
    ],
)
def test_a_container_runs_where_its_processes_do_or_will_at_once(state: str, runs: bool) -> None:
    assert Container("x", state).runs is runs


@pytest.mark.parametrize(
    ("name", "own", "patience"),
    [
        ("hermes_db_server", None, 120),
        ("hermes_db_server", 10, 120),
        ("hermes_db_server", 300, 300),
        ("hermes_ldap", 1, 120),
        ("hermes_dovecot", None, 30),
        ("hermes_dovecot", 10, 10),
        ("hermes_dovecot", 0, 0),
    ],
)
def test_a_stop_never_gives_a_database_too_little_time(name: str, own: int | None, patience: int) -> None:
    assert Container(name, "running", stop_seconds=own).patience == patience
