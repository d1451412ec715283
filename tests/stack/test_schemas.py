"""The exchange of databases and accounts on a real MariaDB: forth and back, broken off anywhere, nothing lost."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from hermes_backup_core.adapters.clock import SystemClock
from hermes_backup_core.adapters.compose import ComposeStack
from hermes_backup_core.archive.dump_sections import programs_part, tables_part
from hermes_backup_core.domain.contents import Loaded
from hermes_backup_core.services.accounts import COPY, Accounts, AccountsNotMade
from hermes_backup_core.services.mariadb import LoadFailed, MariaDB
from hermes_backup_core.services.schemas import ExchangeFailed, NotStaged, SchemaIncomplete, Schemas
from tests.stack.miniature import Engine, Miniature
from tests.stack.miniature.content.accounts import ACCOUNTS, ROOT_PASSWORD, quoted
from tests.stack.miniature.content.databases import DATABASES
from tests.stack.script import standing

SERVER = "hermes_db_server"
SOME = ("hermes", "opendmarc", "Syslog", "djigzo")
DEFAULTS = "DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"
USERS = {account.user: account.password for account in ACCOUNTS}
DUMP = ("mariadb-dump", "-u", "root", "--skip-comments", "--routines", "--triggers", "--events", "--databases")
ALL_RIGHTS = """\
SELECT * FROM mysql.global_priv ORDER BY 1, 2; SELECT * FROM mysql.db ORDER BY 1, 2, 3;
SELECT * FROM mysql.tables_priv ORDER BY 1, 2, 3, 4; SELECT * FROM mysql.columns_priv ORDER BY 1, 2, 3, 4, 5;
SELECT * FROM mysql.procs_priv ORDER BY 1, 2, 3, 4, 5; SELECT * FROM mysql.proxies_priv ORDER BY 1, 2, 3, 4;
SELECT * FROM mysql.roles_mapping ORDER BY 1, 2, 3;
"""
EVERY_KIND = """
CREATE TABLE versioned (id INT PRIMARY KEY) WITH SYSTEM VERSIONING;
CREATE TABLE in_memory (id INT PRIMARY KEY) ENGINE=MEMORY;
CREATE TABLE `tab\t, line
break` (id INT);
CREATE VIEW `v '"`` \\ 1` AS SELECT 1 AS one;
GRANT EXECUTE ON PROCEDURE hermes.count_children TO 'rsyslog'@'%';
SET sql_mode = ORACLE;
DELIMITER //
CREATE PACKAGE pack AS PROCEDURE p(); END;
//
CREATE PACKAGE BODY pack AS PROCEDURE p() AS BEGIN SELECT 1; END; END;
//
"""


class Broken(Exception):
    """What a test breaks a script off with."""


@pytest.fixture(scope="module", params=[False, True], ids=["socket", "root-password"])
def hermes(engine: Engine, folders: Iterator[Path], request: pytest.FixtureRequest) -> Iterator[Miniature]:
    with standing(engine, next(folders), root_password=request.param) as made:
        made.sql(EVERY_KIND, "hermes")
        yield made


@pytest.fixture
def mariadb(hermes: Miniature) -> MariaDB:
    return MariaDB(ComposeStack(str(hermes.root), hermes.environ, SystemClock()), passwords=lambda: (ROOT_PASSWORD,))


@pytest.fixture
def schemas(mariadb: MariaDB) -> Iterator[Schemas]:
    made = Schemas(mariadb)
    yield made
    made.forget(DATABASES)
    assert made.leftovers() == ()


@pytest.fixture
def accounts(hermes: Miniature, mariadb: MariaDB) -> Iterator[Accounts]:
    made = Accounts(mariadb)
    made.keep()
    yield made
    made.go_back()
    made.forget()
    assert made.database.query("SELECT 1") == [["1"]]


def dump_of(hermes: Miniature, *databases: str, options: Iterable[str] = ()) -> bytes:
    password = ROOT_PASSWORD if hermes.root_password else ""
    return hermes.exec(SERVER, *DUMP[:-1], *options, DUMP[-1], *databases, password=password)


def headed_dump_of(hermes: Miniature, database: str) -> bytes:
    return dump_of(hermes, database, options=["--comments"])


def stage(schemas: Schemas, database: str, dump: bytes) -> Loaded:
    schemas.stage(database, DEFAULTS, tables_part([dump]))
    return Loaded(database, DEFAULTS, list(programs_part([dump])))


def kept(schemas: Schemas) -> tuple[dict[str, str], list[bytes]]:
    programs = list(programs_part([schemas.keep(SOME)], naming=True))
    return dict.fromkeys(SOME, "") | schemas.defaults(SOME), programs


def broken_at(chunks: Iterable[bytes], count: int) -> Iterator[bytes]:
    for number, chunk in enumerate(chunks):
        if number == count:
            raise Broken
        yield chunk


CHANGES = """
DROP TABLE a_child; DROP VIEW v_a_view_of_a_view, v_children; CREATE TABLE newcomer (id INT PRIMARY KEY);
DROP FUNCTION twice;
CREATE TABLE newer_child (id INT PRIMARY KEY, parent INT, FOREIGN KEY (parent) REFERENCES z_parent (id));
CREATE VIEW v_new AS SELECT id FROM newcomer; ALTER DATABASE CHARACTER SET latin1;
CREATE TRIGGER on_newcomer BEFORE INSERT ON newcomer FOR EACH ROW SET NEW.id = NEW.id + 1;
CREATE EVENT soon ON SCHEDULE EVERY 1 YEAR STARTS '2036-01-01 00:00:00' DO SELECT 1;
DELETE FROM words; INSERT INTO audit VALUES (0, 'since the backup');
"""


def test_databases_are_exchanged_and_go_back_to_the_last_byte(hermes: Miniature, schemas: Schemas) -> None:
    """Also where the exchange, or the way back, was broken off at any place before; and forth once more."""
    backup = {name: headed_dump_of(hermes, name) for name in SOME}
    due = dump_of(hermes, *SOME)
    for name in ("hermes", "Syslog"):
        hermes.sql(CHANGES, name)
    hermes.sql("DROP DATABASE opendmarc")
    present = [name for name in SOME if name != "opendmarc"]
    changed = dump_of(hermes, *present)
    rights = hermes.sql("SELECT * FROM mysql.procs_priv")
    assert "count_children" in rights
    loaded = [stage(schemas, name, dump) for name, dump in backup.items()]
    assert dump_of(hermes, *present) == changed
    assert schemas.present() == tuple(name for name in DATABASES if name != "opendmarc")
    databases, programs = kept(schemas)

    # Broken off: nothing was swapped yet, then in the middle of the programs.
    with pytest.raises(Broken):
        schemas.exchange([Loaded("hermes", DEFAULTS, broken_at(loaded[0].programs, 0))])
    schemas.go_back(databases, programs)
    assert dump_of(hermes, *present) == changed
    with pytest.raises(Broken):
        schemas.exchange([Loaded("hermes", DEFAULTS, broken_at(loaded[0].programs, 60))])
    schemas.exchange(loaded)
    assert dump_of(hermes, *SOME) == due
    assert hermes.sql("SELECT * FROM mysql.procs_priv") == rights

    with pytest.raises(Broken):
        schemas.go_back(databases, broken_at(programs, 60))
    schemas.go_back(databases, programs)
    schemas.go_back(databases, programs)
    assert "opendmarc" not in schemas.present()
    assert dump_of(hermes, *present) == changed
    assert hermes.sql("SELECT @@GLOBAL.automatic_sp_privileges; SELECT * FROM mysql.procs_priv") == f"1\n{rights}"

    # What had not been there was dropped, its loaded copy too; the others lie where they were loaded.
    loaded = [
        stage(schemas, "opendmarc", backup["opendmarc"]),
        *(part for part in loaded if part.database != "opendmarc"),
    ]
    schemas.exchange(loaded)
    schemas.exchange([Loaded("Syslog", DEFAULTS, list(programs_part([backup["Syslog"]])))])
    schemas.forget(SOME)
    assert dump_of(hermes, *SOME) == due
    assert schemas.leftovers() == ()


def test_each_database_is_exchanged_alone(hermes: Miniature, schemas: Schemas) -> None:
    due = dump_of(hermes, "Syslog", "hermes")
    part = stage(schemas, "Syslog", headed_dump_of(hermes, "Syslog"))
    hermes.sql("DROP TABLE SystemEvents", "Syslog")
    schemas.exchange([Loaded("Syslog", part.defaults, part.programs)])
    assert dump_of(hermes, "Syslog", "hermes") == due


def test_a_dump_that_the_server_refuses_is_named_with_its_line_and_leaves_the_live_one_alone(
    hermes: Miniature, schemas: Schemas
) -> None:
    due = dump_of(hermes, "hermes")
    with pytest.raises(
        LoadFailed, match=r"hermes_restore_new_hermes failed: ERROR 1064 \(42000\) at line 2: .*nonsense"
    ):
        schemas.stage("hermes", DEFAULTS, [b"CREATE TABLE one (id INT);\n", b"nonsense;\n"])
    with pytest.raises(NotStaged, match="hermes"):
        schemas.exchange([Loaded("hermes", DEFAULTS, [])])
    with pytest.raises(LoadFailed):
        schemas.stage("hermes", DEFAULTS, [b"\\! touch /tmp/run-by-the-client\n;"])
    schemas.stage("hermes", DEFAULTS, [b"CREATE TABLE one (id INT);\n"])
    with pytest.raises(SchemaIncomplete, match="lacks t, two;"):
        schemas.check("hermes", frozenset({"one", "two", "t"}))
    schemas.check("hermes", frozenset({"one"}))
    assert dump_of(hermes, "hermes") == due


def test_programs_that_the_server_refuses_can_be_taken_back(hermes: Miniature, schemas: Schemas) -> None:
    due = dump_of(hermes, "hermes")
    databases, programs = kept(schemas)
    schemas.stage("hermes", DEFAULTS, [b"CREATE TABLE one (id INT);\n"])
    with pytest.raises(ExchangeFailed, match=r"ERROR 1146 .*no_such"):
        schemas.exchange([Loaded("hermes", DEFAULTS, [b"CREATE VIEW v AS SELECT * FROM no_such;\n"])])
    schemas.go_back(databases, programs)
    assert dump_of(hermes, "hermes") == due


def test_a_view_that_was_broken_before_hinders_neither_the_way_forth_nor_back(
    hermes: Miniature, schemas: Schemas
) -> None:
    due = dump_of(hermes, "Syslog")
    part = stage(schemas, "Syslog", headed_dump_of(hermes, "Syslog"))
    hermes.sql("CREATE TABLE t (id INT); CREATE VIEW hopeless AS SELECT * FROM t; DROP TABLE t", "Syslog")
    databases, programs = kept(schemas)
    schemas.exchange([Loaded(part.database, part.defaults, part.programs)])
    assert dump_of(hermes, "Syslog") == due
    schemas.go_back(databases, programs)
    assert dump_of(hermes, "Syslog") == due


def test_what_would_fail_at_its_first_use_is_named(hermes: Miniature, schemas: Schemas) -> None:
    assert schemas.missing_definers(DATABASES) == ()
    hermes.sql(
        "CREATE USER 'gone'@'%'; CREATE ROLE stays; GRANT stays TO root@localhost; CREATE TABLE t (id INT);"
        "CREATE DEFINER = 'gone'@'%' VIEW v_gone AS SELECT 1 AS one; CREATE VIEW v_empty AS SELECT * FROM t;"
        "CREATE DEFINER = 'gone'@'%' SQL SECURITY INVOKER VIEW v_of_the_caller AS SELECT 1 AS one;"
        "CREATE DEFINER = stays PROCEDURE p_stays() SELECT 1; CREATE DEFINER = stays VIEW v_stays AS SELECT 1 AS one;"
        "CREATE DEFINER = 'gone'@'%' EVENT e_gone ON SCHEDULE EVERY 1 YEAR DO SELECT 1;"
        "DROP USER 'gone'@'%'; DROP TABLE t;",
        "djigzo",
    )
    found = schemas.missing_definers(DATABASES)
    hermes.sql("DROP DATABASE djigzo; CREATE DATABASE djigzo; DROP ROLE stays")
    assert len(found) == 3, found
    assert "event `djigzo`.`e_gone`" in found[0]
    assert "view `djigzo`.`v_gone`" in found[1]
    assert "view djigzo.v_empty cannot be opened" in found[2]


def test_every_account_and_right_goes_back_to_what_it_was(hermes: Miniature, accounts: Accounts) -> None:
    before = hermes.sql(ALL_RIGHTS)
    backup = accounts.database.accounts().encode()
    hermes.sql(
        "CREATE ROLE r; GRANT r TO 'hermes'@'%'; CREATE USER late IDENTIFIED BY 'x'; DROP USER 'authelia'@'%';"
        "GRANT SELECT ON hermes.* TO late; ALTER USER 'hermes'@'%' IDENTIFIED BY 'y';"
        "GRANT PROXY ON late TO 'rsyslog'@'%'; REVOKE EXECUTE ON PROCEDURE hermes.count_children FROM 'rsyslog'@'%'"
    )
    accounts.keep()
    accounts.apply(backup)
    assert all(accounts.database.opens(user, password) for user, password in USERS.items())
    accounts.go_back()
    accounts.go_back()
    assert hermes.sql(ALL_RIGHTS) == before
    assert not accounts.database.opens("late", "x")


def test_statements_about_accounts_that_fail_are_named_and_show_no_hash(hermes: Miniature, accounts: Accounts) -> None:
    text = (
        "CREATE USER IF NOT EXISTS 'one'@'%' IDENTIFIED BY PASSWORD '*1234567890123456789012345678901234567890';\n"
        "ALTER USER 'nobody'@'%' IDENTIFIED BY PASSWORD '*1234567890123456789012345678901234567890';\n"
        "GRANT SELECT ON `hermes`.`no_such` TO 'one'@'%';\nGRANT SELECT ON `hermes`.* TO 'one'@'%';\n"
    )
    with pytest.raises(AccountsNotMade) as caught:
        accounts.apply(text.encode())
    said = str(caught.value)
    assert "ALTER USER 'nobody'@'%' IDENTIFIED BY" in said
    assert "GRANT SELECT ON `hermes`.`no_such` TO 'one'@'%'" in said
    assert len(caught.value.problems) == 2
    assert "*123" not in said
    assert "`hermes`.*" in hermes.sql("SHOW GRANTS FOR 'one'@'%'")


def test_accounts_are_fitted_to_the_credential_files_where_they_are_not(hermes: Miniature, accounts: Accounts) -> None:
    root = ROOT_PASSWORD if hermes.root_password else None
    # Root has a password at one of its hosts only.
    assert all("'root'@" in line for line in accounts.fit(USERS, root))
    hermes.sql(
        "ALTER USER 'hermes'@'localhost' IDENTIFIED BY 'other'; ALTER USER 'djigzo'@'%' IDENTIFIED BY 'other';"
        # One whose table does not tell whether the password fits, and where it does.
        "ALTER USER 'rsyslog'@'%' IDENTIFIED VIA mysql_native_password USING PASSWORD('sys;log#1') OR unix_socket"
    )
    said = accounts.fit(USERS | {"stranger": "x"}, root)
    changed = {word for line in said for word in re.findall(r"'\w+'@'[\w%]+'", line)}
    assert changed == {"'hermes'@'localhost'", "'djigzo'@'%'"}
    assert "stranger" in said[-1]
    assert all(hermes.can_log_in(user, password) for user, password in USERS.items())
    assert accounts.fit(USERS, root) == ()


def test_root_gets_the_password_and_whoever_was_let_in_still_is(hermes: Miniature, accounts: Accounts) -> None:
    """Where root needed none over the socket it needs none; where root's was another it is the new one."""
    new = "n3w ' \\ p4ss"
    told = accounts.fit({}, new)
    assert any("'root'@'localhost'" in line for line in told)
    accounts.database.passwords = lambda: (new,)
    assert accounts.fit({}, new) == ()
    ask = ("mariadb", "-u", "root", "-h", "localhost", "-BNe", "SELECT CURRENT_USER()")
    without = hermes.exec(SERVER, *ask) if not hermes.root_password else hermes.exec(SERVER, *ask, password=new)
    assert without == b"root@localhost\n"
    renewed = MariaDB(accounts.database.stack, passwords=lambda: ("wrong", new))
    assert renewed.query("SELECT 1") == [["1"]]
    accounts.go_back()
    assert hermes.sql("SELECT CURRENT_USER()") == "root@localhost\n"
    if not hermes.root_password:
        return
    hermes.exec(SERVER, *ask[:-1], f"ALTER USER 'root'@'localhost' IDENTIFIED BY {quoted('x')}", password=ROOT_PASSWORD)
    renewed.passwords = accounts.database.passwords = lambda: ("x",)
    assert renewed.query("SELECT 1") == [["1"]]


def test_the_server_tells_what_it_knows(mariadb: MariaDB) -> None:
    assert {"utf8mb4", "latin1"} <= mariadb.charsets()
    assert {"utf8mb4_general_ci", "utf8mb4_uca1400_ai_ci", "latin1_swedish_ci"} <= mariadb.collations()
    assert {"InnoDB", "MEMORY"} <= mariadb.engines()
    assert mariadb.data_folder() == "/config/databases/"
    assert not mariadb.is_fresh()
    assert COPY not in mariadb.sizes()
