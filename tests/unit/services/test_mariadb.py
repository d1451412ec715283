"""MariaDB: how root logs in, what makes a dump a dump, and the accounts."""

from __future__ import annotations

import pytest

from hermes_backup_core.domain.errors import CommandFailed, DumpFailed
from hermes_backup_core.services.mariadb import (
    DatabaseUnreachable,
    MariaDB,
    SnapshotBroken,
)
from tests.unit.fakes.host import MemoryHost, plain_host
from tests.unit.fakes.stack import MemoryStack
from tests.unit.fakes.watching import MemoryClock

PASSWORD = "s3cret'; rm -rf"


def mariadb_of(host: MemoryHost) -> MariaDB:
    return MariaDB(MemoryStack(host))


def dump_of(host: MemoryHost, database: str = "djigzo") -> bytes:
    chunks: list[bytes] = []
    mariadb_of(host).dump(database, chunks.append)
    return b"".join(chunks)


def argvs(host: MemoryHost) -> list[tuple[str, ...]]:
    return [argv for _, argv, _, _ in host.executed]


# Logging in


def test_root_is_let_in_over_the_socket_without_a_password() -> None:
    host = plain_host()
    host.database.secret = PASSWORD
    assert mariadb_of(host).query("SELECT 1") == [["1"]]
    assert [argv[0] for argv in argvs(host)] == ["mariadb"]


def test_where_root_needs_the_secret_it_goes_through_the_environment_and_is_in_no_argument() -> None:
    host = plain_host()
    host.database.password = host.database.secret = PASSWORD
    mariadb = mariadb_of(host)
    assert mariadb.build_no() == "v260119"
    mariadb.dump("djigzo", lambda _: None)
    assert mariadb.sizes()["djigzo"] > 0
    assert not [argv for argv in argvs(host) if any(PASSWORD in part for part in argv)]
    assert not [argv for argv in argvs(host) if any(part.startswith(("-p", "--password")) for part in argv)]
    assert not [stdin for *_, stdin in host.executed if PASSWORD.encode() in stdin]


def test_the_way_that_worked_is_kept_so_that_the_log_of_the_server_shows_one_refusal_only() -> None:
    host = plain_host()
    host.database.password = host.database.secret = PASSWORD
    mariadb = mariadb_of(host)
    for _ in range(3):
        mariadb.query("SELECT 1")
    assert [argv[0] for argv in argvs(host)] == ["mariadb", "sh", "sh", "sh"]


def test_a_secret_that_is_not_roots_password_is_refused_and_named() -> None:
    host = plain_host()
    host.database.password, host.database.secret = PASSWORD, "old"
    with pytest.raises(DatabaseUnreachable, match=r"using password: NO.*using password: YES.*MYSQL_ROOT_PASSWORD"):
        mariadb_of(host).query("SELECT 1")


def test_no_way_in_and_no_secret_names_where_the_secret_is_looked_for() -> None:
    host = plain_host()
    host.database.password = PASSWORD
    with pytest.raises(DatabaseUnreachable, match="/run/secrets/MYSQL_ROOT_PASSWORD"):
        mariadb_of(host).query("SELECT 1")


def test_a_server_that_is_down_is_unreachable_and_no_other_login_is_tried() -> None:
    host = plain_host()
    host.boxes["hermes_db_server"].state = "exited"
    with pytest.raises(DatabaseUnreachable, match=r"not running.*docker logs hermes_db_server"):
        mariadb_of(host).query("SELECT 1")
    assert len(host.executed) == 1


def test_a_client_that_fails_without_a_word_is_told_by_its_exit_code() -> None:
    host = plain_host()
    host.database.broken = ""
    with pytest.raises(DatabaseUnreachable, match="exit code 1"):
        mariadb_of(host).query("SELECT 1")


def test_an_error_in_the_sql_is_no_trouble_with_the_login() -> None:
    with pytest.raises(CommandFailed, match="1064"):
        mariadb_of(plain_host()).query("SELEC 1")


# Waiting


def test_a_server_that_is_starting_is_waited_for() -> None:
    host = plain_host()
    host.boxes["hermes_db_server"].since = 0
    host.database.boots_for = 30
    mariadb_of(host).wait_until_ready(MemoryClock(host), 60)
    assert host.now == 30


def test_the_patience_for_a_server_ends() -> None:
    host = plain_host()
    host.boxes["hermes_db_server"].since = 0
    host.database.boots_for = 1000
    with pytest.raises(DatabaseUnreachable, match="2002"):
        mariadb_of(host).wait_until_ready(MemoryClock(host), 60)
    assert host.now == 60


# Questions


@pytest.mark.parametrize(("value", "expected"), [("v260119", "v260119"), (" v1 ", "v1"), ("  ", None), (None, None)])
def test_the_build_number_is_what_the_settings_say(value: str | None, expected: str | None) -> None:
    host = plain_host()
    host.database.build_no = value
    assert mariadb_of(host).build_no() == expected


def test_sizes_are_of_every_database_on_the_server() -> None:
    host = plain_host()
    host.database.tables = {"one": {"t": b"row", "u": b"row"}, "empty": {}}
    assert mariadb_of(host).sizes() == {"one": 2, "empty": 0}


def test_missing_programs_are_named() -> None:
    host = plain_host(lacking={"hermes_db_server": {"mariadb-dump"}})
    assert mariadb_of(host).missing_tools() == ("mariadb-dump",)
    assert mariadb_of(plain_host()).missing_tools() == ()


def test_names_that_are_no_utf_8_come_through() -> None:
    host = plain_host()
    host.database.tables["caf\udce9"] = {}
    assert "caf\udce9" in mariadb_of(host).sizes()


@pytest.mark.parametrize("name", ["it's", "back\\slash", "a`b"])
def test_the_name_of_a_database_is_quoted(name: str) -> None:
    host = plain_host()
    host.database.tables[name.replace("\\", "\\\\")] = {"t": b""}
    assert mariadb_of(host).tables(name) == {"t"}


# Dumps


def test_a_dump_is_handed_on_as_it_is() -> None:
    dump = dump_of(plain_host())
    assert dump.startswith(b"-- MariaDB dump")
    assert dump.count(b"CREATE TABLE") == 2
    assert dump.splitlines()[-1].startswith(b"-- Dump completed")


def test_a_dump_is_taken_with_the_options_that_make_it_whole_and_consistent() -> None:
    host = plain_host()
    dump_of(host)
    (argv,) = [argv for argv in argvs(host) if argv[0] == "mariadb-dump"]
    assert {"--single-transaction", "--routines", "--triggers", "--events"} < set(argv)
    assert argv[-2:] == ("--databases", "djigzo")


def test_a_dump_works_with_the_secret_before_any_question_was_asked() -> None:
    host = plain_host()
    host.database.password = host.database.secret = PASSWORD
    assert b"-- Dump completed" in dump_of(host)


@pytest.mark.parametrize("line", [b"", b"-- Dump comple", b"\n\n"])
def test_a_dump_without_its_closing_line_is_none(line: bytes) -> None:
    host = plain_host()
    host.database.closing_line = line
    with pytest.raises(DumpFailed, match=r"djigzo.*Dump completed.*missing"):
        dump_of(host)


@pytest.mark.parametrize("line", [b"-- Dump completed", b"-- Dump completed on 2026-06-01 10:30:00\n\n"])
def test_a_closing_line_counts_with_and_without_its_date(line: bytes) -> None:
    host = plain_host()
    host.database.closing_line = line
    assert dump_of(host).endswith(line)


def test_a_dump_that_lacks_a_table_names_it() -> None:
    host = plain_host()
    host.database.left_out_of_dumps = frozenset({"child", "parent"})
    with pytest.raises(DumpFailed, match="does not hold child, parent"):
        dump_of(host)


def test_a_table_that_was_dropped_meanwhile_is_no_failure() -> None:
    host = plain_host()
    host.database.dropped_by_dumping = frozenset({"child"})
    assert b"`child`" not in dump_of(host)


def test_a_table_whose_data_talks_of_the_other_does_not_stand_for_it() -> None:
    host = plain_host()
    host.database.tables["djigzo"]["parent"] = b"INSERT INTO `parent` VALUES (1,'\\nCREATE TABLE `child` (');\n"
    host.database.left_out_of_dumps = frozenset({"child"})
    with pytest.raises(DumpFailed, match="does not hold child"):
        dump_of(host)


@pytest.mark.parametrize("table", ["a`b", "``", "caf\u00e9", "with space", "-- Dump completed"])
def test_tables_of_any_name_are_recognised(table: str) -> None:
    host = plain_host()
    host.database.tables["djigzo"][table] = b""
    assert b"-- Dump completed on" in dump_of(host)


def test_a_database_that_is_not_there_is_named() -> None:
    with pytest.raises(DumpFailed, match=r"nope.*1049.*Unknown database"):
        dump_of(plain_host(), "nope")


@pytest.mark.parametrize("number", ["1412", "1146"])
def test_a_dump_that_the_server_breaks_off_for_a_changed_table_is_told_apart(number: str) -> None:
    host = plain_host()
    host.database.trouble["djigzo"] = [f"mariadb-dump: Error {number}: Table definition has changed"]
    with pytest.raises(SnapshotBroken, match=number):
        dump_of(host)


@pytest.mark.parametrize("stderr", ["mariadb-dump: Error 2013: Lost connection", "", "error 14120"])
def test_any_other_failure_of_a_dump_is_final(stderr: str) -> None:
    host = plain_host()
    host.database.trouble["djigzo"] = [stderr]
    with pytest.raises(DumpFailed) as caught:
        dump_of(host)
    assert not isinstance(caught.value, SnapshotBroken)


# Accounts


def test_the_accounts_of_the_applications_are_made_where_missing_and_made_equal_where_there() -> None:
    host = plain_host()
    host.database.accounts = [("app_role", "", "Y"), ("hermes", "%", "N"), ("o'neil", "10.0.0.%", "N")]
    host.database.accounts += [("root", "localhost", "N"), ("mariadb.sys", "localhost", "N"), ("", "%", "N")]
    assert mariadb_of(host).accounts().splitlines() == [
        "CREATE ROLE IF NOT EXISTS `app_role`;",
        "CREATE USER IF NOT EXISTS 'hermes'@'%' IDENTIFIED BY PASSWORD '*AB';",
        "ALTER USER 'hermes'@'%' IDENTIFIED BY PASSWORD '*AB';",
        "CREATE USER IF NOT EXISTS 'o''neil'@'10.0.0.%' IDENTIFIED BY PASSWORD '*AB';",
        "ALTER USER 'o''neil'@'10.0.0.%' IDENTIFIED BY PASSWORD '*AB';",
        "GRANT USAGE ON *.* TO `app_role`;",
        "GRANT USAGE ON *.* TO 'hermes'@'%';",
        "GRANT USAGE ON *.* TO 'o''neil'@'10.0.0.%';",
    ]


def test_a_server_with_no_accounts_but_its_own_has_none_to_export() -> None:
    host = plain_host()
    host.database.accounts = [("root", "%", "N"), ("mysql", "localhost", "N")]
    assert mariadb_of(host).accounts() == ""
