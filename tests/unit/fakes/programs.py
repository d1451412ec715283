"""The programs inside the containers, as far as a backup or a restore asks them anything."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from hermes_backup_core.domain.errors import CommandFailed
from tests.unit.fakes.host import MemoryHost
from tests.unit.fakes.state import Database

SECRET_FILE = "/run/secrets/MYSQL_ROOT_PASSWORD"
CREATE_DATABASE = b"CREATE DATABASE /*!32312 IF NOT EXISTS*/ `%s` /*!40100 DEFAULT %s */;\n"
DEFAULTS = "CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"
PROGRAMS = {
    "hermes_db_server": {"mariadb", "mariadb-dump"},
    "hermes_ldap": {"slapadd", "slapcat"},
    "hermes_nextcloud": {"php"},
    "hermes_postfix_dkim": {"postqueue", "sendmail"},
    "hermes_commandbox": {"curl"},
}


ALWAYS = {"SELECT 1": "1", "SELECT @@datadir": "/config/databases/"}
KNOWN = {
    "SELECT 1": ("1",),
    "SELECT @@datadir": ("/config/databases/",),
    "information_schema.character_sets": ("latin1", "utf8mb3", "utf8mb4"),
    "information_schema.collation": (
        "latin1_swedish_ci",
        "utf8mb3_general_ci",
        "utf8mb4_general_ci",
        "utf8mb4_unicode_ci",
    ),
    "information_schema.engines": ("InnoDB", "Aria", "MyISAM", "SEQUENCE"),
}
_NOTHING: Mapping[str, str] = {}


class Failure(Exception):
    """What a program ends with when it fails."""

    def __init__(self, code: int, stderr: str) -> None:
        super().__init__(stderr)
        self.code = code


def execute(
    host: MemoryHost,
    container: str,
    argv: Sequence[str],
    user: str | None = None,
    stdin: bytes = b"",
    environ: Mapping[str, str] = _NOTHING,
) -> Iterator[bytes]:
    """Yield what ``argv`` writes; raises `CommandFailed` as the engine does where it fails."""
    host.executed.append((container, tuple(argv), user, stdin))
    try:
        box = host.boxes.get(container)
        if box is None or box.state != "running":
            raise Failure(1, f"Error response from daemon: container {container} is not running")
        yield from _run(host, container, list(argv), user, stdin, environ)
    except Failure as err:
        raise CommandFailed(("docker", "exec", container, *argv), err.code, str(err)) from err


def execute_once(
    host: MemoryHost, container: str, argv: Sequence[str], stdin: bytes, mounts: Mapping[str, str]
) -> bytes:
    """Load an LDIF as `slapadd` in a throw-away container does: what it makes lies in the folder mounted for it."""
    host.executed.append((container, tuple(argv), None, stdin))
    if host.load_trouble:
        raise CommandFailed(("docker", "run", *argv), 1, host.load_trouble)
    if any("slapadd" in argument for argument in argv):
        folder = next(source for inside, source in mounts.items() if "slapd.d" not in inside)
        host.files[f"{folder}/data.mdb"] = stdin
    return b"%d\n" % (b"\n" + stdin).count(b"\ndn:")


def _run(
    host: MemoryHost, container: str, argv: list[str], user: str | None, stdin: bytes, environ: Mapping[str, str]
) -> Iterator[bytes]:
    password = environ.get("MYSQL_PWD")
    if argv[:2] == ["sh", "-c"]:
        script, rest = argv[2], argv[4:]
        if "command -v" in script:
            lacking = [name for name in rest if not _has(host, container, name)]
            yield "".join(f"{name}\n" for name in lacking).encode()
            return
        assert script.endswith('exec "$@"')
        assert "MYSQL_PWD" in script
        assert SECRET_FILE in script
        if (secret := host.secret()) is None:
            raise Failure(1, f"cat: {SECRET_FILE}: No such file or directory")
        password, argv = secret.decode().rstrip("\n"), rest
    if not _has(host, container, argv[0]):
        raise Failure(127, f'exec: "{argv[0]}": executable file not found in $PATH')
    yield from {
        "mariadb": lambda: _mariadb(host, password, stdin.decode()),
        "mariadb-dump": lambda: _dump(host, password, argv[-1]),
        "slapcat": lambda: _slapcat(host, argv),
        "php": lambda: _occ(host, argv, user),
        "postqueue": lambda: _postqueue(host, argv),
        "sendmail": lambda: _sendmail(host, argv, stdin),
        "curl": lambda: _curl(host),
    }[argv[0]]()


def _has(host: MemoryHost, container: str, name: str) -> bool:
    return name in PROGRAMS[container] and name not in host.lacking.get(container, ())


def _postqueue(host: MemoryHost, argv: list[str]) -> Iterator[bytes]:
    if host.mail_trouble or argv[1:] != ["-f"]:
        raise Failure(69, f"postqueue: fatal: {host.mail_trouble or 'usage'}")
    yield b""


def _log_in(host: MemoryHost, password: str | None) -> Database:
    database = host.database
    if host.now < host.boxes["hermes_db_server"].since + database.boots_for:
        raise Failure(1, "ERROR 2002 (HY000): Can't connect to local server through socket '/run/mysqld/mysqld.sock'")
    if database.broken is not None:
        raise Failure(1, database.broken)
    if password != database.password:
        using = "YES" if password else "NO"
        raise Failure(1, f"ERROR 1045 (28000): Access denied for user 'root'@'localhost' (using password: {using})")
    return database


def _mariadb(host: MemoryHost, password: str | None, sql: str) -> Iterator[bytes]:
    database = _log_in(host, password)
    for statement in sql.split(";\n"):
        yield "".join(f"{row}\n" for row in _answer(database, statement)).encode("utf-8", "surrogateescape")


def _answer(database: Database, sql: str) -> list[str]:
    if known := [answer for question, answer in KNOWN.items() if question in sql]:
        return list(known[0])
    if "system_settings" in sql:
        if "hermes" not in database.tables:
            raise Failure(1, "ERROR 1146 (42S02) at line 1: Table 'hermes.system_settings' doesn't exist")
        return [] if database.build_no is None else [database.build_no]
    if "information_schema.schemata" in sql:
        return [f"{name}\t{len(tables)}" for name, tables in database.tables.items()]
    if found := re.search(r"table_schema = '(.*)'", sql):
        return list(database.tables.get(found[1].replace("''", "'"), ()))
    if "mysql.user" in sql:
        return ["\t".join(account) for account in database.accounts]
    if sql.startswith("SHOW CREATE USER "):
        account = sql.removeprefix("SHOW CREATE USER ")
        password = database.users.get(account.split("'")[1], "AB")
        return [f"CREATE USER {account} IDENTIFIED BY PASSWORD '*{password}'"]
    if sql.startswith("SHOW GRANTS FOR "):
        return [f"GRANT USAGE ON *.* TO {sql.removeprefix('SHOW GRANTS FOR ')}"]
    raise Failure(1, f"ERROR 1064 (42000) at line 1: You have an error in your SQL syntax near '{sql}'")


def _dump(host: MemoryHost, password: str | None, name: str) -> Iterator[bytes]:
    database = _log_in(host, password)
    if name not in database.tables:
        raise Failure(2, f"mariadb-dump: Got error: 1049: \"Unknown database '{name}'\" when selecting the database")
    for table in database.dropped_by_dumping & set(database.tables[name]):
        del database.tables[name][table]
    yield from dump_text(database, name)
    if trouble := database.trouble.get(name):
        raise Failure(2, trouble.pop(0))
    yield database.closing_line


def dump_text(database: Database, name: str, *, rows: bool = True) -> Iterator[bytes]:
    """Yield a dump of one database, less its closing line; its programs stand behind the tables, as they do there."""
    yield b"-- MariaDB dump 10.19\n\n"
    yield CREATE_DATABASE % (name.encode(), database.defaults.get(name, DEFAULTS).encode())
    yield b"\nUSE `%s`;\n\n" % name.encode()
    for table, text in list(database.tables[name].items()):
        if table not in database.left_out_of_dumps:
            quoted = table.replace("`", "``").encode()
            yield b"\n--\n-- Table structure for table `%s`\n--\n\nDROP TABLE IF EXISTS `%s`;\n" % (quoted, quoted)
            yield b"CREATE TABLE `%s` (\n  `id` int\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;\n" % quoted
            yield b"\n--\n-- Dumping data for table `%s`\n--\n\n" % quoted + text if rows else b""
    yield b"\n--\n-- Dumping events for database '%s'\n--\n" % name.encode()
    for maker in database.programs.get(name, b"").splitlines():
        yield b"DELIMITER ;;\n%s\nDELIMITER ;\n" % maker
    yield b"\n"


def _slapcat(host: MemoryHost, argv: list[str]) -> Iterator[bytes]:
    assert argv[1:] == ["-F", "/etc/ldap/slapd.d", "-b", "dc=hermes,dc=local"]
    yield host.files[host.ldap_file] if host.ldap_file else host.ldif
    if host.ldap_trouble:
        raise Failure(1, host.ldap_trouble)


def _occ(host: MemoryHost, argv: list[str], user: str | None) -> Iterator[bytes]:
    option = argv[3] if len(argv) > 3 else "status"
    if user != "www-data":
        raise Failure(1, "Console has to be executed with the user that owns the file config/config.php")
    if host.now < host.boxes["hermes_nextcloud"].since + host.occ_boots_for:
        raise Failure(1, "Nextcloud is not installed - only a limited number of commands are available")
    if option in host.occ_trouble:
        raise Failure(1, host.occ_trouble[option])
    if option != "status":
        host.maintenance = option == "--on"
    yield (
        b"Maintenance mode is currently enabled\n" if host.maintenance else b"Maintenance mode is currently disabled\n"
    )


def _sendmail(host: MemoryHost, argv: list[str], stdin: bytes) -> Iterator[bytes]:
    assert argv == ["sendmail", "-t", "-i"]
    if host.mail_trouble:
        raise Failure(75, host.mail_trouble)
    host.mails.append(stdin)
    yield b""


def _curl(host: MemoryHost) -> Iterator[bytes]:
    if host.now < host.boxes["hermes_commandbox"].since + host.console_boots_for:
        raise Failure(7, "")
    yield b""
