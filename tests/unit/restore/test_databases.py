"""Databases and accounts of a restore: what is kept of the backup and of the host, and where that is not there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from attrs import evolve

from hermes_backup_core.archive.reader import BackupReader
from hermes_backup_core.domain.contents import DumpContents
from hermes_backup_core.domain.scope import ACCOUNTS_MEMBER, DATABASES, Scope
from hermes_backup_core.restore.databases import Databases, NotKept
from hermes_backup_core.services.accounts import AccountsNotMade
from hermes_backup_core.services.schemas import SchemaIncomplete
from tests.unit.fakes.host import MemoryHost
from tests.unit.fakes.schemas import MemoryAccounts
from tests.unit.fakes.wiring import DATABASE_USERS
from tests.unit.restore.restores import RESTORE, Case, case_of


@pytest.fixture(scope="module")
def system() -> Case:
    return case_of(Scope.SYSTEM)


@pytest.fixture
def case(system: Case) -> Case:
    system.begin()
    return system


@pytest.fixture
def databases(case: Case) -> Databases:
    for name, box in case.host.boxes.items():
        box.state = "running" if name == "hermes_db_server" else "exited"
    return case.job().databases


@pytest.fixture
def reader(case: Case) -> Iterator[BackupReader]:
    with BackupReader(case.prospect.request.path) as reader:
        yield reader


def without_accounts(reader: BackupReader) -> BackupReader:
    """A backup as the shell scripts made it."""
    reader.members = {name: member for name, member in reader.members.items() if name != ACCOUNTS_MEMBER}
    return reader


def dump_of(case: Case, name: str) -> DumpContents:
    return case.prospect.contents.dumps[name]


def test_the_tables_go_beside_and_the_rest_is_kept_for_the_swap(
    case: Case, databases: Databases, reader: BackupReader
) -> None:
    databases.load("hermes", dump_of(case, "hermes"), reader)
    assert set(case.host.database.staged["hermes"]) > {"parent", "child", "system_settings"}
    assert b"TRIGGER `first`" in case.host.kept["hermes-programs.sql"]
    assert case.host.kept["hermes-defaults"].startswith(b"DEFAULT CHARACTER SET utf8mb4")
    assert case.host.database.tables == case.before.database["tables"]


def test_a_dump_that_is_not_in_the_member_is_not_taken_for_an_empty_one(
    case: Case, databases: Databases, reader: BackupReader
) -> None:
    with pytest.raises(SchemaIncomplete, match="parent"):
        databases.load("elsewhere", dump_of(case, "hermes"), reader)


def test_a_backups_own_list_of_accounts_is_kept_and_made(
    case: Case, databases: Databases, reader: BackupReader
) -> None:
    databases.keep_accounts(reader)
    assert databases.make_accounts() == ()
    assert "accounts.apply" in case.host.calls


def test_a_backup_without_accounts_leaves_those_there_are(
    case: Case, databases: Databases, reader: BackupReader
) -> None:
    databases.keep_accounts(without_accounts(reader))
    assert databases.make_accounts() == ()
    assert case.host.kept == {}
    assert "accounts.apply" not in case.host.calls
    told = databases.fit_accounts(DATABASE_USERS, "root secret")
    assert any("hermes, who has no account" in sentence for sentence in told)
    assert case.host.database.password == "root secret"


def test_accounts_that_the_server_refuses_are_told_and_stop_nothing(case: Case, databases: Databases) -> None:
    class Refusing(MemoryAccounts):
        def apply(self, sql: bytes) -> None:
            raise AccountsNotMade(("the right on a table that is gone",))

    case.host.kept["accounts.sql"] = b"GRANT"
    refusing = evolve(databases, accounts=Refusing(case.host))
    assert refusing.make_accounts() == ("the right on a table that is gone",)


def test_what_was_kept_and_is_gone_is_an_error_that_names_it(databases: Databases) -> None:
    with pytest.raises(NotKept, match=r"^hermes-defaults, which this restore kept .* use --undo$"):
        databases.exchange(["hermes"])
    with pytest.raises(NotKept, match=r"^old-defaults\.json"):
        databases.go_back(["hermes"])


def test_on_a_server_without_any_of_the_databases_there_is_nothing_to_keep(case: Case, databases: Databases) -> None:
    for live in (case.host.database.tables, case.host.database.programs, case.host.database.defaults):
        live.clear()
    databases.keep(DATABASES)
    assert (case.host.kept["old-programs.sql"], case.host.kept["old-defaults.json"]) == (b"", b"{}")


def test_a_database_that_was_not_there_comes_and_goes_again() -> None:
    def without_djigzo(host: MemoryHost) -> None:
        for live in (host.database.tables, host.database.programs, host.database.defaults):
            live.pop("djigzo")

    case = case_of(Scope.SYSTEM, last=without_djigzo)
    case.begin()
    states = case.watched(case.carry_out)
    assert case.host.database.tables["djigzo"] == case.original.database["tables"]["djigzo"]
    case.begin(next(killed.state for killed in reversed(states) if "schemas.swap.programs" in killed.where))
    assert "djigzo" in case.host.database.tables
    case.undo()
    assert case.wrong(case.before) == []


def test_a_backup_without_accounts_is_restored_with_the_accounts_of_the_host(
    monkeypatch: pytest.MonkeyPatch, case: Case
) -> None:
    monkeypatch.setattr(Databases, "keep_accounts", lambda self, reader: None)
    case.job().carry_out(case.prospect, RESTORE)
    assert case.host.database.users == {
        user: DATABASE_USERS[user] for user in case.before.database["users"] if user in DATABASE_USERS
    }
