"""What the dumps hold can be had again from them: on a fresh server it is the same in every byte."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stack.miniature import Engine, Miniature, image
from tests.stack.miniature.command import finished, run
from tests.stack.miniature.content.accounts import ACCOUNTS
from tests.stack.miniature.content.databases import DATABASES
from tests.stack.miniature.content.directory import SUFFIX, entries
from tests.stack.script import Opened, back_up, opened, standing

SERVER = "hermes_db_server"
SOCKET = "/tmp/scratch.sock"
DUMP = ("mariadb-dump", "-u", "root", "--skip-comments", "--routines", "--triggers", "--events", "--databases")
START = f"""\
mkdir /tmp/scratch && chown mysql /tmp/scratch &&
mariadb-install-db --user=mysql --datadir=/tmp/scratch --skip-test-db --auth-root-authentication-method=normal &&
exec mariadbd --user=mysql --datadir=/tmp/scratch --socket={SOCKET} --pid-file=/tmp/scratch.pid --skip-networking
"""
ASKED = {
    "tables": "SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = '{}'",
    "triggers": "SELECT trigger_name, action_statement, sql_mode FROM information_schema.triggers"
    " WHERE trigger_schema = '{}'",
    "routines": "SELECT routine_name, routine_type, routine_definition, definer, sql_mode"
    " FROM information_schema.routines WHERE routine_schema = '{}'",
    "events": "SELECT event_name, event_definition, starts, interval_value, status, definer"
    " FROM information_schema.events WHERE event_schema = '{}'",
    "views": "SELECT table_name, REPLACE(view_definition, '`', ''), definer, security_type"
    " FROM information_schema.views WHERE table_schema = '{}'",
    "columns": "SELECT table_name, column_name, column_type, column_default, extra, collation_name,"
    " generation_expression FROM information_schema.columns WHERE table_schema = '{}'",
    "keys": "SELECT table_name, constraint_name, column_name, referenced_table_name, referenced_column_name"
    " FROM information_schema.key_column_usage WHERE table_schema = '{}'",
}


@pytest.fixture(scope="module")
def hermes(engine: Engine, folders: Iterator[Path]) -> Iterator[Miniature]:
    with standing(engine, next(folders)) as made:
        yield made


@pytest.fixture(scope="module")
def backup(hermes: Miniature) -> Opened:
    return opened(back_up(hermes, "system").tarball, hermes.base / "opened")


@pytest.fixture(scope="module")
def dumps(backup: Opened) -> dict[str, bytes]:
    """The text of each dump, as GNU tar gives it."""
    run(["tar", "-xzf", backup.folder / "databases.tar.gz", "-C", backup.folder])
    return {name: (backup.folder / f"{name}.sql").read_bytes() for name in DATABASES}


@pytest.fixture(scope="module")
def scratch(hermes: Miniature, dumps: dict[str, bytes]) -> Miniature:
    """A second server beside the live one, new and empty, into which the dumps have been loaded."""
    hermes.engine.docker("exec", "-d", SERVER, "sh", "-c", START)
    ping = ["docker", "exec", SERVER, "mariadb-admin", "--socket", SOCKET, "ping", "--silent"]
    while finished(ping, environ=hermes.engine.environ).returncode:
        time.sleep(0.2)
    client = ("mariadb", "--socket", SOCKET, "-u", "root", "--default-character-set=utf8mb4")
    for text in dumps.values():
        hermes.exec(SERVER, *client, data=text)
    return hermes


def asked(hermes: Miniature, sql: str, *, database: str | None = None, server: str | None = None) -> list[str]:
    """The sorted rows that the live server gives, or that at the socket `server`."""
    where = ("--socket", server) if server else ()
    client = ("mariadb", *where, "-u", "root", "-BN", "--default-character-set=utf8mb4")
    answer = hermes.exec(SERVER, *client, *([database] if database else []), data=sql.encode())
    return sorted(answer.decode().splitlines())


@pytest.mark.parametrize("database", DATABASES)
def test_a_dump_on_a_fresh_server_makes_the_same_database(scratch: Miniature, database: str) -> None:
    """Asked the same questions, and dumped in the same way, both give the same answer, to the last byte."""
    labelled = [sql.replace("SELECT", f"SELECT '{what}', ", 1).format(database) for what, sql in ASKED.items()]
    live = asked(scratch, ";".join(labelled))
    assert asked(scratch, ";".join(labelled), server=SOCKET) == live
    assert {row.partition("\t")[0] for row in live} == (set() if database == "djigzo" else set(ASKED))
    again = scratch.exec(SERVER, *DUMP[:1], "--socket", SOCKET, *DUMP[1:], database)
    assert again == scratch.exec(SERVER, *DUMP, database)


@pytest.mark.parametrize("database", DATABASES)
def test_every_table_has_the_checksum_of_the_original(scratch: Miniature, database: str) -> None:
    tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = '{}' AND table_type = 'BASE TABLE'"
    names = asked(scratch, tables.format(database))
    assert bool(names) == (database != "djigzo")
    sql = ";".join(f"CHECKSUM TABLE `{name.replace('`', '``')}` EXTENDED" for name in names)
    live = asked(scratch, sql, database=database)
    assert asked(scratch, sql, database=database, server=SOCKET) == live
    assert len(live) == len(names)
    assert not [row for row in live if row.endswith("\tNULL")]


def test_bytes_and_letters_of_every_kind_came_through(scratch: Miniature) -> None:
    """Not only the same as in the live server, but what was once put in there."""
    every_byte = bytes(range(256)).hex().upper()
    found = asked(scratch, "SELECT HEX(content), HEX(plain) FROM bytes WHERE id = 1", database="hermes", server=SOCKET)
    assert found == [f"{every_byte}\t{every_byte}"]
    words = asked(scratch, "SELECT word FROM words WHERE id IN (1, 2)", database="nextcloud", server=SOCKET)
    assert words == sorted(["Zürich", "😀 𝄞 𠮷"])
    latin = asked(scratch, "SELECT HEX(word) FROM old_latin WHERE id = 1", database="Syslog", server=SOCKET)
    assert latin == ["636166E9"]


def test_what_has_been_loaded_also_works(scratch: Miniature) -> None:
    """The sequence goes on behind what was given out; triggers, routines and views do what they do."""
    live = asked(scratch, "SELECT next_not_cached_value FROM numbers", database="authelia")
    assert asked(scratch, "SELECT NEXTVAL(numbers)", database="authelia", server=SOCKET) == live
    insert = "INSERT INTO z_parent (name) VALUES ('  new'); SELECT what FROM audit WHERE what LIKE 'made;   new'"
    assert asked(scratch, insert, database="opendmarc", server=SOCKET) == ["made;   new"]
    call = "CALL count_children(3, @found); SELECT @found"
    assert asked(scratch, call, database="opendmarc", server=SOCKET) == ["1"]


def test_each_dump_is_closed_and_names_its_database_alone(dumps: dict[str, bytes]) -> None:
    for name, text in dumps.items():
        assert text.rstrip().rpartition(b"\n")[2].startswith(b"-- Dump completed")
        used = {line for line in text.splitlines() if line.startswith(b"USE `")}
        assert used == {f"USE `{name}`;".encode()}


def test_accounts_that_were_dropped_come_back_and_open_with_the_credential_files(
    hermes: Miniature, backup: Opened
) -> None:
    """Their rights come back, too, and an account whose password was changed gets the one of the backup."""
    names = "SELECT CONCAT(QUOTE(user), '@', QUOTE(host)) FROM mysql.user WHERE user NOT IN ('root', 'mariadb.sys')"
    accounts = [name for name in asked(hermes, names) if name != "'mysql'@'localhost'"]
    before = {name: asked(hermes, f"SHOW GRANTS FOR {name}") for name in accounts}
    assert len(before) == len(ACCOUNTS) + 1
    changed, *dropped = accounts
    hermes.sql("".join(f"DROP USER {name};" for name in dropped) + f"ALTER USER {changed} IDENTIFIED BY 'x';")
    assert not any(opens(hermes, account.name) for account in ACCOUNTS)

    hermes.exec(SERVER, "mariadb", "-u", "root", data=backup.content("accounts.sql.gz"))

    assert all(opens(hermes, account.name) for account in ACCOUNTS)
    assert {name: asked(hermes, f"SHOW GRANTS FOR {name}") for name in accounts} == before
    assert hermes.sql("SELECT 1") == "1\n"


def opens(hermes: Miniature, name: str) -> bool:
    user, password = ((hermes.creds / f"{name}_{part}").read_text().rstrip("\n") for part in ("username", "password"))
    return hermes.can_log_in(user, password)


def slapadd(hermes: Miniature, ldif: bytes, script: str) -> bytes:
    """Run `script` with the LDIF on stdin, in a container that has the directory's configuration and no data."""
    mounts = f"type=bind,source={hermes.root}/config/ldap/etc/ldap/slapd.d,target=/etc/ldap/slapd.d,readonly"
    argv = ["run", "--rm", "-i", "--network=none", "--mount", mounts, "--entrypoint=sh", image.NAME]
    return hermes.engine.docker(*argv, "-ec", script, data=ldif)


def test_the_directory_comes_back_from_its_ldif(hermes: Miniature, backup: Opened) -> None:
    """slapadd takes it, first as a trial; slapcat then gives the LDIF again, operational attributes included."""
    ldif = backup.content("ldap.ldif.gz")
    where = f"-F /etc/ldap/slapd.d -b {SUFFIX}"
    slapadd(hermes, ldif, f"slapadd -u {where}")
    assert slapadd(hermes, ldif, f"slapadd {where} && slapcat {where}") == ldif
    assert len(parsed(ldif)) == len(entries()) == backup.manifest["archives"]["ldap.ldif.gz"]["entries"]


def test_the_ldif_holds_every_value_that_was_put_in(backup: Opened) -> None:
    """Accents, commas, blanks at the end, line breaks and bytes of all kinds; DNs compared as LDAP does."""
    found = {plain(dn): values for dn, values in parsed(backup.content("ldap.ldif.gz")).items()}
    for dn, lines in entries():
        due = {(name, value.encode() if isinstance(value, str) else value) for name, value in lines}
        assert due <= found[plain(dn)], dn


def plain(dn: str) -> str:
    """slapd writes what is special in a DN by its code, and orders the parts of a name as it likes."""
    for code, character in ((r"\2C", r"\,"), (r"\23", r"\#"), (r"\2B", r"\+")):
        dn = dn.replace(code, character)
    name, *above = re.split(r"(?<!\\),", dn)
    return ",".join(["+".join(sorted(re.split(r"(?<!\\)\+", name))), *above])


def parsed(ldif: bytes) -> dict[str, set[tuple[str, bytes]]]:
    blocks = ldif.replace(b"\n ", b"").strip().split(b"\n\n")
    made = [[attribute(line) for line in block.splitlines()] for block in blocks]
    return {values[0][1].decode(): set(values[1:]) for values in made}


def attribute(line: bytes) -> tuple[str, bytes]:
    name, _, value = line.partition(b":")
    return name.decode(), base64.b64decode(value[1:]) if value.startswith(b":") else value.removeprefix(b" ")
