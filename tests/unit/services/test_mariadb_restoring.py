"""MariaDB in a restore: other passwords of root, dumps that are loaded, programs that are kept, what it knows."""

from __future__ import annotations

import pytest

from hermes_backup_core.services.mariadb import DatabaseUnreachable, LoadFailed, MariaDB, ProgramsNotKept
from tests.unit.fakes.scripted import hexed, refusal, scripted

PASSWORD = "s3cret'; rm -rf"
DENIED = "ERROR 1045 (28000): Access denied for user 'root'@'localhost' (using password: YES)"
CLOSED = "-- Dump completed on 2026-06-01\n"


def test_where_the_secret_is_not_roots_password_those_at_hand_are_tried_in_the_environment_alone() -> None:
    stack = scripted(refusal(DENIED), refusal("cat: no such file"), refusal(DENIED), "1\n", "2\n")
    mariadb = MariaDB(stack, passwords=lambda: ("wrong", PASSWORD))
    assert mariadb.query("SELECT 1") == [["1"]]
    assert mariadb.query("SELECT 2") == [["2"]]
    assert [call.environ.get("MYSQL_PWD") for call in stack.asked] == [None, None, "wrong", PASSWORD, PASSWORD]
    assert not [call for call in stack.asked if any(PASSWORD in part for part in call.argv)]
    assert PASSWORD not in repr(mariadb)


def test_where_no_password_opens_every_way_is_told_once() -> None:
    stack = scripted(*[refusal(DENIED)] * 4)
    with pytest.raises(DatabaseUnreachable) as caught:
        MariaDB(stack, passwords=lambda: ("one", "two")).query("SELECT 1")
    assert caught.value.reason.count("with a password of the credential files: ERROR 1045") == 1
    assert "with the secret: ERROR 1045" in caught.value.reason


def test_a_server_that_goes_away_while_passwords_are_tried_is_unreachable() -> None:
    stack = scripted(refusal(DENIED), refusal(DENIED), refusal("ERROR 2002 (HY000): no socket"))
    with pytest.raises(DatabaseUnreachable, match=r"cannot be asked: ERROR 2002 \(HY000\): no socket\."):
        MariaDB(stack, passwords=lambda: ("one", "two")).query("SELECT 1")


def test_a_login_that_stops_working_is_looked_for_anew() -> None:
    stack = scripted("1\n", refusal(DENIED), refusal(DENIED), refusal(DENIED), "2\n")
    mariadb = MariaDB(stack, passwords=lambda: (PASSWORD,))
    mariadb.query("SELECT 1")
    assert mariadb.query("SELECT 2") == [["2"]]
    assert stack.asked[-1].environ == {"MYSQL_PWD": PASSWORD}


# Loading


def test_a_dump_is_fed_to_a_client_that_takes_no_commands_of_its_own() -> None:
    stack = scripted(refusal(DENIED), "1\n")
    MariaDB(stack).load("some", [b"one;\n", b"two;\n"])
    fed = stack.asked[-1]
    assert fed.text == "one;\ntwo;\n"
    assert fed.argv[:2] == ("sh", "-c")
    assert {"--binary-mode", "--local-infile=0", "--default-character-set=utf8mb4"} <= set(fed.argv)
    assert fed.argv[-1] == "some"


@pytest.mark.parametrize(
    "stderr", ["ERROR 1064 (42000) at line 3: near 'x'", "ERROR at line 3: Unknown command", "ERROR 4161 (HY000): type"]
)
def test_what_the_server_refuses_of_a_dump_is_named(stderr: str) -> None:
    with pytest.raises(LoadFailed) as caught:
        MariaDB(scripted("1\n", refusal(f"--------------\nx\n--------------\n\n{stderr}\n"))).load("some", [b"x"])
    assert caught.value.reason == stderr
    assert "into the schema some failed" in str(caught.value)


def test_a_server_that_goes_away_while_it_loads_is_unreachable() -> None:
    with pytest.raises(DatabaseUnreachable, match="2013"):
        MariaDB(scripted("1\n", refusal("ERROR 2013 (HY000): Lost connection"))).load("some", [b"x"])


# What a swap destroys


def test_programs_are_dumped_without_rows_and_without_locks() -> None:
    stack = scripted(CLOSED)
    assert MariaDB(stack).dump_programs(["hermes", "djigzo"]) == CLOSED.encode()
    argv = stack.asked[0].argv
    assert {"--no-data", "--skip-lock-tables", "--routines", "--triggers", "--events"} < set(argv)
    assert argv[-3:] == ("--databases", "hermes", "djigzo")


def test_a_view_that_is_broken_already_is_left_out() -> None:
    broken = "mariadb-dump: Couldn't execute 'SHOW FIELDS FROM `v`': View 'hermes.v' references invalid table(s) (1356)"
    view = "hermes.v\tcheck\tError\tno table\n"
    stack = scripted(refusal(broken), f"{hexed('hermes', 'v')}\n", view, CLOSED)
    assert MariaDB(stack).dump_programs(["hermes"]) == CLOSED.encode()
    assert stack.asked[2].text == "CHECK VIEW `hermes`.`v`"
    assert "--ignore-table=hermes.v" in stack.asked[3].argv


def test_any_other_failure_means_that_nothing_is_kept() -> None:
    stack = scripted(refusal("mariadb-dump: Couldn't execute 'SHOW TRIGGERS': disk full (1021)"))
    with pytest.raises(ProgramsNotKept, match=r"for an undo: .*disk full"):
        MariaDB(stack).dump_programs(["hermes"])


def test_a_dump_of_programs_that_breaks_off_is_none() -> None:
    with pytest.raises(ProgramsNotKept, match="Dump completed"):
        MariaDB(scripted("CREATE VIEW")).dump_programs(["hermes"])


def test_a_dump_that_is_refused_for_its_login_tries_the_next() -> None:
    stack = scripted(refusal('mariadb-dump: Got error: 1045: "Access denied for user" when trying to connect'), CLOSED)
    assert MariaDB(stack).dump_programs(["hermes"]) == CLOSED.encode()
    assert stack.asked[1].argv[0] == "sh"


# What the server knows


def test_a_collation_is_known_by_all_its_names() -> None:
    answer = "uca1400_ai_ci\tutf8mb4\tutf8mb4_uca1400_ai_ci\t2304\t\nlatin1_bin\tlatin1\n"
    assert MariaDB(scripted(answer)).collations() == {"uca1400_ai_ci", "utf8mb4_uca1400_ai_ci", "latin1_bin"}


def test_engines_character_sets_and_the_data_folder_are_what_the_server_says() -> None:
    mariadb = MariaDB(scripted("InnoDB\nAria\n", "utf8mb4\nlatin1\n", "/var/lib/mysql/\n"))
    assert mariadb.engines() == {"InnoDB", "Aria"}
    assert mariadb.charsets() == {"utf8mb4", "latin1"}
    assert mariadb.data_folder() == "/var/lib/mysql/"


@pytest.mark.parametrize(("tables", "is_fresh"), [("", True), ("other\n", True), ("other\nsystem_settings\n", False)])
def test_a_server_without_the_settings_of_a_hermes_is_fresh(tables: str, is_fresh: bool) -> None:
    assert MariaDB(scripted(tables)).is_fresh() is is_fresh
