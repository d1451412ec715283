"""MariaDB in its container: questions, dumps that are proven, and the accounts of the applications."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from attrs import define, field, frozen

from hermes_backup_core.domain.errors import CommandFailed, DumpFailed, HermesBackupError, last_lines
from hermes_backup_core.domain.host import DATABASE_CONTAINER
from hermes_backup_core.ports import Clock, Stack
from hermes_backup_core.services.programs import missing_programs

_CLIENT = ("mariadb", "-u", "root", "--batch", "--skip-column-names", "--raw", "--default-character-set=utf8mb4")
_DUMP = (
    *("mariadb-dump", "-u", "root", "--default-character-set=utf8mb4", "--single-transaction"),
    *("--routines", "--triggers", "--events", "--databases"),
)

_SECRET = "/run/secrets/MYSQL_ROOT_PASSWORD"
# Root may be let in over the socket, and sending a password is refused then; or it may need the secret.
# That goes from its file into the client's environment inside the container: it is never an argument, and
# never leaves the container.
_BY_SOCKET: tuple[str, ...] = ()
_WITH_PASSWORD = ("sh", "-c", f'MYSQL_PWD=$(cat {_SECRET}) && export MYSQL_PWD && exec "$@"', "sh")

_ACCESS_DENIED = re.compile(r"ERROR (1045|1698)\b")
_SQL_ERROR = re.compile(r"ERROR 1\d{3}\b")
# The server breaks a consistent snapshot off when a table is altered (1412) or dropped (1146) meanwhile.
_CHANGED_MEANWHILE = re.compile(r"\b(1412|1146)\b")

_OWN_ACCOUNTS = ("root", "mariadb.sys", "mysql", "PUBLIC", "")
"""Accounts of the server itself, which each host has its own of."""


@frozen
class DatabaseUnreachable(HermesBackupError):
    """The server does not let root in, or does not answer."""

    reason: str

    def __str__(self) -> str:
        return (
            f"MariaDB in {DATABASE_CONTAINER} cannot be asked: {self.reason}. Check that it runs "
            f"(`docker logs {DATABASE_CONTAINER}`) and that root may log in without a password or with {_SECRET}."
        )


@frozen
class AccessDenied(DatabaseUnreachable):
    """The server answers, and does not accept this way of logging in."""


@frozen
class SnapshotBroken(DumpFailed):
    """A table was altered while its database was dumped; another try may well succeed."""


@define
class MariaDB:
    """The server in ``hermes_db_server``, asked as root over its socket."""

    stack: Stack
    _login: tuple[str, ...] | None = field(default=None, init=False)

    def query(self, sql: str) -> list[list[str]]:
        """Return the rows that ``sql`` gives, each as its columns' text."""
        text = self._ask(sql).decode("utf-8", "surrogateescape")
        return [line.split("\t") for line in text.split("\n") if line]

    def wait_until_ready(self, clock: Clock, patience: float) -> None:
        """Return as soon as the server answers; raises `DatabaseUnreachable` after ``patience`` seconds."""
        deadline = clock.monotonic() + patience
        while True:
            try:
                self.query("SELECT 1")
                return
            except DatabaseUnreachable:
                if clock.monotonic() >= deadline:
                    raise
                clock.sleep(1)

    def build_no(self) -> str | None:
        """Return the build number of the Hermes that the database belongs to, or None where it says none."""
        rows = self.query("SELECT value FROM hermes.system_settings WHERE parameter='build_no'")
        return rows[0][0].strip() or None if rows else None

    def missing_tools(self) -> tuple[str, ...]:
        """Return the programs that a backup needs and that the image lacks."""
        return missing_programs(self.stack, DATABASE_CONTAINER, ("mariadb", "mariadb-dump"))

    def sizes(self) -> dict[str, int]:
        """Return the databases on the server, each with the bytes that its tables' rows take."""
        rows = self.query(
            "SELECT s.schema_name, COALESCE(SUM(t.data_length), 0) FROM information_schema.schemata s "
            "LEFT JOIN information_schema.tables t ON t.table_schema = s.schema_name GROUP BY s.schema_name"
        )
        return {name: int(size) for name, size in rows}

    def tables(self, database: str) -> frozenset[str]:
        """Return the names of the tables, views and sequences of ``database``."""
        schema = _quoted(database)
        rows = self.query(f"SELECT table_name FROM information_schema.tables WHERE table_schema = {schema}")  # noqa: S608
        return frozenset(row[0] for row in rows)

    def dump(self, database: str, write: Callable[[bytes], object]) -> None:
        """Hand a whole dump of ``database`` to ``write``.

        Proven by the exit code, the closing line, and every table of the database being named in it.
        Raises `SnapshotBroken` where the server broke off because a table was altered, else `DumpFailed`.
        """
        before = self.tables(database)
        proof = DumpProof()

        def keep(chunk: bytes) -> None:
            proof.feed(chunk)
            write(chunk)

        try:
            self.stack.stream(DATABASE_CONTAINER, (*(self._login or _BY_SOCKET), *_DUMP, database), keep)
        except CommandFailed as err:
            kind = SnapshotBroken if _CHANGED_MEANWHILE.search(err.stderr) else DumpFailed
            raise kind(database, last_lines(err.stderr, 3) or str(err)) from err
        if not proof.is_closed:
            raise DumpFailed(database, "its closing line `-- Dump completed` is missing")
        missing = before - proof.names
        if missing and (lacking := missing & self.tables(database)):
            raise DumpFailed(database, f"it does not hold {', '.join(sorted(lacking))}")

    def accounts(self) -> str:
        """Return SQL that makes the applications' accounts and roles, with their grants, on another server."""
        rows = self.query("SELECT user, host, is_role FROM mysql.user ORDER BY is_role DESC, user, host")
        users = [(user, host, role == "Y") for user, host, role in rows if user not in _OWN_ACCOUNTS]
        makers = self._each(f"SHOW CREATE USER {_account(user, host)}" for user, host, role in users if not role)
        roles = [f"CREATE ROLE IF NOT EXISTS {_identifier(user)}" for user, _, role in users if role]
        grants = self._each(
            f"SHOW GRANTS FOR {_identifier(user) if role else _account(user, host)}" for user, host, role in users
        )
        existing = [_again(maker) for maker in makers]
        statements = [*roles, *(line for pair in existing for line in pair), *grants]
        return "".join(f"{statement};\n" for statement in statements)

    def _each(self, questions: Iterable[str]) -> list[str]:
        sql = ";\n".join(questions)
        return ["\t".join(row) for row in self.query(sql)] if sql else []

    def _ask(self, sql: str) -> bytes:
        if self._login is not None:
            return self._ask_as(self._login, sql)
        try:
            return self._ask_as(_BY_SOCKET, sql)
        except AccessDenied as denied:
            try:
                return self._ask_as(_WITH_PASSWORD, sql)
            except DatabaseUnreachable as err:
                raise DatabaseUnreachable(f"{denied.reason}; with the secret: {err.reason}") from err

    def _ask_as(self, login: tuple[str, ...], sql: str) -> bytes:
        try:
            answer = self.stack.run(DATABASE_CONTAINER, (*login, *_CLIENT), stdin=sql.encode())
        except CommandFailed as err:
            said = last_lines(err.stderr, 2) or str(err)
            if _ACCESS_DENIED.search(err.stderr):
                raise AccessDenied(said) from err
            if _SQL_ERROR.search(err.stderr):
                raise
            raise DatabaseUnreachable(said) from err
        self._login = login
        return answer


@define
class DumpProof:
    """Watches a dump go by, and tells afterwards what it named and whether it was closed."""

    _found: set[str] = field(factory=set, init=False)
    _tail: bytes = field(default=b"\n", init=False)

    # Server and client write these at the start of a line, and line breaks inside values as `\n`.
    _CREATES = re.compile(
        rb"\n(?:/\*![0-9]+ )?(?:CREATE (?:OR REPLACE )?)?(?:ALGORITHM=\S+ )?(?:TABLE|VIEW|SEQUENCE) "
        rb"(?:IF NOT EXISTS )?`((?:[^`]|``)+)`(?=[^`])"
    )
    _CLOSING = re.compile(rb"\n-- Dump completed[^\n]*\s*\Z")
    # Longer than the longest such line can be: a name has 64 characters.
    _OVERLAP = 1024

    def feed(self, chunk: bytes) -> None:
        """Look at the next piece of the dump."""
        text = self._tail + chunk
        for match in self._CREATES.finditer(text):
            self._found.add(match[1].replace(b"``", b"`").decode("utf-8", "surrogateescape"))
        self._tail = text[-self._OVERLAP :]

    @property
    def names(self) -> frozenset[str]:
        """The tables, views and sequences that the dump makes."""
        return frozenset(self._found)

    @property
    def is_closed(self) -> bool:
        """Whether the dump's last line is the one that only a whole dump has."""
        return self._CLOSING.search(self._tail) is not None


def _again(maker: str) -> tuple[str, str]:
    """Return what makes an account where it is missing, and what makes it equal where it is there."""
    return (
        maker.replace("CREATE USER ", "CREATE USER IF NOT EXISTS ", 1),
        maker.replace("CREATE USER ", "ALTER USER ", 1),
    )


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def _identifier(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _account(user: str, host: str) -> str:
    return f"{_quoted(user)}@{_quoted(host)}"
