"""The accounts: kept, made as far as they can be, fitted to the credential files, put back; no secret is shown."""

from __future__ import annotations

import pytest

from hermes_backup_core.services.accounts import Accounts, AccountsNotKept, AccountsNotMade
from hermes_backup_core.services.mariadb import MariaDB
from tests.unit.fakes.scripted import ScriptedStack, hexed, refusal, scripted

COPY = "hermes_restore_accounts"
PASSWORD = "s3cret ' \\ word"
LITERAL = "'s3cret '' \\\\ word'"
HASH = "*1234567890123456789012345678901234567890"


def accounts_of(stack: ScriptedStack) -> Accounts:
    return Accounts(MariaDB(stack))


def known(user: str, host: str, *, plain: bool = True, opened: bool = False, socket: bool = False, fits: bool) -> str:
    return f"{hexed(user, host)}\t{plain:d}\t{opened:d}\t{socket:d}\t{fits:d}\n"


def delete(table: str, keys: str) -> str:
    joined = f"mysql.{table} AS live LEFT JOIN `{COPY}`.`{table}` AS kept USING ({keys})"
    return f"DELETE live FROM {joined} WHERE kept.Host IS NULL"


def test_the_tables_that_are_there_are_copied_and_the_mark_of_a_whole_copy_comes_last() -> None:
    stack = scripted(f"mysql\tdb\nmysql\tglobal_priv\nmysql\tproc\n{COPY}\tglobal_priv\n")
    accounts_of(stack).keep()
    assert stack.asked[1].statements == [
        f"DROP DATABASE IF EXISTS `{COPY}`",
        f"CREATE DATABASE `{COPY}`",
        f"CREATE TABLE `{COPY}`.`global_priv` LIKE mysql.global_priv",
        f"INSERT INTO `{COPY}`.`global_priv` SELECT * FROM mysql.global_priv",
        f"CREATE TABLE `{COPY}`.`db` LIKE mysql.db",
        f"INSERT INTO `{COPY}`.`db` SELECT * FROM mysql.db",
        f"CREATE TABLE `{COPY}`.`complete` (n INT)",
    ]


def test_a_whole_copy_is_the_one_to_keep() -> None:
    stack = scripted(f"mysql\tdb\n{COPY}\tdb\n{COPY}\tcomplete\n")
    accounts_of(stack).keep()
    assert len(stack.asked) == 1


def test_a_copy_that_cannot_be_made_is_told() -> None:
    with pytest.raises(AccountsNotKept, match=r"ERROR 1030 .* at line 1: disk full"):
        accounts_of(scripted("mysql\tdb\n", refusal("ERROR 1030 (HY000) at line 1: disk full"))).keep()


def test_on_the_way_back_all_rows_are_put_in_before_any_is_taken_out() -> None:
    stack = scripted(f"{COPY}\tglobal_priv\n{COPY}\tdb\n{COPY}\tcomplete\n")
    accounts_of(stack).go_back()
    assert stack.asked[1].statements == [
        "USE mysql",
        f"REPLACE INTO mysql.global_priv SELECT * FROM `{COPY}`.`global_priv`",
        f"REPLACE INTO mysql.db SELECT * FROM `{COPY}`.`db`",
        delete("global_priv", "Host, User"),
        delete("db", "Host, Db, User"),
        "FLUSH PRIVILEGES",
    ]


@pytest.mark.parametrize("there", ["", f"{COPY}\tglobal_priv\n"])
def test_a_copy_that_is_missing_or_not_whole_is_never_put_back(there: str) -> None:
    stack = scripted(there)
    accounts_of(stack).go_back()
    assert len(stack.asked) == 1


def test_the_copy_is_forgotten() -> None:
    stack = scripted()
    accounts_of(stack).forget()
    assert stack.asked[0].statements == [f"DROP DATABASE IF EXISTS `{COPY}`"]


def test_accounts_are_made_as_the_backup_lists_them() -> None:
    stack = scripted("1\n")
    accounts_of(stack).apply(b"CREATE USER a;\nGRANT b;\n")
    assert stack.asked[1].text == "CREATE USER a;\nGRANT b;\n"
    assert {"--force", "--binary-mode"} <= set(stack.asked[1].argv)


def test_statements_that_fail_are_named_all_of_them_and_their_secrets_are_not_shown() -> None:
    sql = f"CREATE USER 'a'@'%' IDENTIFIED BY PASSWORD '{HASH}';\nGRANT SELECT ON `x`.`y` TO 'a'@'%';\n"
    answer = (
        f"--------------\nCREATE USER 'a'@'%' IDENTIFIED BY PASSWORD '{HASH}'\n--------------\n\n"
        f"ERROR 1064 (42000) at line 1: You have an error near '{HASH[5:]}' at line 1\n"
        "ERROR 1146 (42S02) at line 2: Table 'x.y' doesn't exist\nERROR 1396 (HY000) at line 9: Operation failed\n"
    )
    with pytest.raises(AccountsNotMade) as caught:
        accounts_of(scripted("1\n", answer)).apply(sql.encode())
    assert caught.value.problems == (
        "`CREATE USER 'a'@'%' IDENTIFIED BY …`: ERROR 1064 (42000) at line 1: You have an error near ' …",
        "`GRANT SELECT ON `x`.`y` TO 'a'@'%';`: ERROR 1146 (42S02) at line 2: Table 'x.y' doesn't exist",
        "``: ERROR 1396 (HY000) at line 9: Operation failed",
    )
    assert str(caught.value).startswith("3 statements about accounts failed in hermes_db_server, and all others")


def test_nobody_to_fit_asks_nothing() -> None:
    stack = scripted()
    assert accounts_of(stack).fit({}, None) == ()
    assert not stack.asked


def test_where_every_password_fits_nothing_is_set() -> None:
    stack = scripted(known("hermes", "%", fits=True) + known("root", "localhost", fits=True))
    assert accounts_of(stack).fit({"hermes": PASSWORD}, PASSWORD) == ()
    assert len(stack.asked) == 1


def test_a_password_that_does_not_fit_is_set_at_every_host_and_who_has_no_account_is_named() -> None:
    stack = scripted(
        known("hermes", "%", fits=False) + known("hermes", "172.%", fits=False) + known("hermes", "::1", fits=True)
    )
    told = accounts_of(stack).fit({"hermes": PASSWORD, "stranger": "x"}, None)
    assert stack.asked[2].statements == [
        "SET SESSION sql_mode = '', old_passwords = 0",
        f"ALTER USER 'hermes'@'%' IDENTIFIED BY {LITERAL}",
        f"ALTER USER 'hermes'@'172.%' IDENTIFIED BY {LITERAL}",
    ]
    assert told[:2] == (
        "the database account 'hermes'@'%' now has the password of the credential files",
        "the database account 'hermes'@'172.%' now has the password of the credential files",
    )
    assert told[2].startswith("the credential files name the database user stranger, who has no account")


@pytest.mark.parametrize(
    ("answer", "is_set"),
    [
        ("hermes@%\n", False),
        ("hermes@localhost\n", True),
        (refusal("ERROR 1045 (28000): Access denied for user"), True),
        (refusal("ERROR 1130 (HY000): Host '127.0.0.1' is not allowed to connect"), True),
    ],
)
def test_where_the_table_does_not_tell_a_login_is_tried(answer: str, is_set: bool) -> None:
    stack = scripted(known("hermes", "%", plain=False, fits=False), answer)
    told = accounts_of(stack).fit({"hermes": PASSWORD}, None)
    assert bool(told) is is_set
    tried = stack.asked[1]
    assert tried.argv[:4] == ("mariadb", "-h", "127.0.0.1", "--user=hermes")
    assert tried.environ == {"MYSQL_PWD": PASSWORD}


@pytest.mark.parametrize(
    ("host", "opened", "socket", "keeps"),
    [
        ("localhost", True, False, True),
        ("localhost", False, True, True),
        ("localhost", False, False, False),
        ("%", True, False, False),
    ],
)
def test_root_goes_on_without_a_password_over_the_socket_where_none_was_needed(
    host: str, opened: bool, socket: bool, keeps: bool
) -> None:
    stack = scripted(known("root", host, plain=not socket, opened=opened, socket=socket, fits=False))
    told = accounts_of(stack).fit({"root": "ignored"}, PASSWORD)
    way = f"VIA unix_socket OR mysql_native_password USING PASSWORD({LITERAL})" if keeps else f"BY {LITERAL}"
    assert stack.asked[2].statements[1] == f"ALTER USER 'root'@'{host}' IDENTIFIED {way}"
    assert told == (f"the database account 'root'@'{host}' now has the password of the credential files",)


def test_a_password_is_in_no_argument_and_in_no_error() -> None:
    shown = f"--------------\nSELECT PASSWORD({LITERAL})\n--------------\n\n"
    question = refusal(f"{shown}ERROR 1064 (42000) at line 1: error near '{LITERAL}' at line 1")
    with pytest.raises(AccountsNotMade) as asking:
        accounts_of(scripted(question)).fit({"hermes": PASSWORD}, None)
    answer = f"{shown}ERROR 1819 (HY000) at line 2: Your password does not satisfy the current policy requirements\n"
    stack = scripted(known("hermes", "%", fits=False), "1\n", answer)
    with pytest.raises(AccountsNotMade) as setting:
        accounts_of(stack).fit({"hermes": PASSWORD}, None)
    for caught in (asking, setting):
        assert "s3cret" not in str(caught.value)
        assert caught.value.__cause__ is None
    assert "ALTER USER 'hermes'@'%' IDENTIFIED BY …`: ERROR 1819" in str(setting.value)
    assert not [call for call in stack.asked if any("s3cret" in part for part in call.argv)]
