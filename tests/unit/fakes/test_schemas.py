"""The fake of the database server goes through the half states of the real one, and out of each both ways."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hermes_backup_core.domain.contents import Loaded
from hermes_backup_core.domain.host import DATABASE_CONTAINER
from hermes_backup_core.domain.scope import DATABASES
from hermes_backup_core.services.mariadb import DatabaseUnreachable
from tests.unit.fakes.host import MemoryHost
from tests.unit.fakes.programs import DEFAULTS, dump_text
from tests.unit.fakes.schemas import MemoryAccounts, MemorySchemas
from tests.unit.fakes.state import LIVE, State
from tests.unit.fakes.wiring import DATABASE_USERS, damaged, restore_host

DUMPS = {name: b"".join(dump_text(restore_host().database, name)) for name in DATABASES}


def staged_host(*absent: str) -> MemoryHost:
    """A damaged host where only the database runs and a backup's dumps are loaded beside."""
    host = damaged(restore_host())
    for name in absent:
        for live in (host.database.tables, host.database.programs, host.database.defaults):
            del live[name]
    for name, box in host.boxes.items():
        box.state = "running" if name == DATABASE_CONTAINER else "exited"
    schemas = MemorySchemas(host)
    for name in DATABASES:
        schemas.stage(name, DEFAULTS, [DUMPS[name][:50], DUMPS[name][50:]])
        schemas.check(name, frozenset({"parent", "child"}))
    return host


def swap(host: MemoryHost) -> None:
    for name in DATABASES:
        MemorySchemas(host).exchange([Loaded(name, f"DEFAULT {DEFAULTS}", [DUMPS[name]])])


def states_of(host: MemoryHost, run: Callable[[], None]) -> list[tuple[str, State]]:
    states: list[tuple[str, State]] = []
    host.hook = lambda moment, number, call: states.append((f"{moment} {call}", host.state()))
    run()
    host.hook = None
    return states


def live(host: MemoryHost) -> dict[str, object]:
    return {name: value for name, value in host.database.state().items() if name in LIVE}


@pytest.mark.parametrize("absent", [(), ("djigzo",)])
def test_a_swap_that_breaks_off_anywhere_goes_on_or_back(absent: tuple[str, ...]) -> None:
    host = staged_host(*absent)
    before = host.state()
    schemas = MemorySchemas(host)
    present = schemas.present()
    programs, defaults = schemas.keep(present), dict.fromkeys(DATABASES, "") | schemas.defaults(present)
    states = states_of(host, lambda: swap(host))
    backup = restore_host().database.state()
    new = {name: backup[name] for name in ("tables", "programs", "defaults")}
    assert live(host) | new == live(host)
    for where, state in states:
        host.restore(state)
        swap(host)
        assert live(host) | new == live(host), where
        host.restore(state)
        schemas.go_back(defaults, [programs])
        schemas.forget(DATABASES)
        assert host.state().differences(before) == [], where
        assert host.state().leftovers == (), where
    assert host.violations == []


def test_a_way_back_that_breaks_off_anywhere_goes_on() -> None:
    host = staged_host("nextcloud")
    before = host.state()
    schemas = MemorySchemas(host)
    present = schemas.present()
    programs, defaults = schemas.keep(present), dict.fromkeys(DATABASES, "") | schemas.defaults(present)
    swap(host)
    for where, state in states_of(host, lambda: schemas.go_back(defaults, [programs])):
        host.restore(state)
        schemas.go_back(defaults, [programs])
        assert host.state().differences(before) == [], where


def test_accounts_go_back_from_wherever_it_was_broken_off() -> None:
    host = staged_host()
    before = host.state()
    accounts = MemoryAccounts(host)
    sql = b"".join(
        b"ALTER USER '%s'@'%%' IDENTIFIED BY PASSWORD '*%s';\n" % (user.encode(), password.encode())
        for user, password in {**DATABASE_USERS, "new": "one"}.items()
    )

    told: list[tuple[str, ...]] = []

    def change() -> None:
        accounts.keep()
        accounts.apply(sql)
        told.append(accounts.fit({**DATABASE_USERS, "new": "other", "another": "secret"}, "root's"))

    states = states_of(host, change)
    assert host.database.users == {**DATABASE_USERS, "new": "other"}
    assert len(told[0]) == 3
    assert host.database.password == "root's"
    for where, state in states:
        host.restore(state)
        accounts.go_back()
        accounts.go_back()
        assert host.state().differences(before) == [], where


def test_what_needs_the_server_alone_tells_where_something_else_runs() -> None:
    host = staged_host()
    host.boxes["hermes_dovecot"].state = "running"
    MemorySchemas(host).exchange([Loaded("hermes", DEFAULTS, [])])
    assert host.violations
    host.boxes[DATABASE_CONTAINER].state = "exited"
    with pytest.raises(DatabaseUnreachable):
        MemorySchemas(host).present()
