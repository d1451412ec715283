"""MariaDB in its container: questions, dumps that are proven, and the accounts of the applications."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from attrs import define, field, frozen

from hermes_backup_core.domain.dump_proof import DumpProof
from hermes_backup_core.domain.errors import CommandFailed, DumpFailed, HermesBackupError, last_lines
from hermes_backup_core.domain.host import DATABASE_CONTAINER
from hermes_backup_core.ports import Clock, Stack
from hermes_backup_core.services.programs import missing_programs
from hermes_backup_core.services.sql import account, identifier, quoted, unhexed

_CLIENT = ("mariadb", "-u", "root", "--batch", "--skip-column-names", "--raw", "--default-character-set=utf8mb4")
_DUMP = (
    *("mariadb-dump", "-u", "root", "--default-character-set=utf8mb4", "--single-transaction"),
    *("--routines", "--triggers", "--events", "--databases"),
)

_DUMP_PROGRAMS = (
    *("mariadb-dump", "-u", "root", "--default-character-set=utf8mb4", "--skip-lock-tables", "--no-data"),
    *("--routines", "--triggers", "--events"),
)
# In binary mode no line of what is fed is a command of the client itself (a shell, another file, a log); and a
# row may be longer than the client lets it be unless told.
_LOADER = (
    *("mariadb", "-u", "root", "--batch", "--default-character-set=utf8mb4", "--binary-mode", "--local-infile=0"),
    *("--max-allowed-packet=1G", "--init-command=SET SESSION foreign_key_checks=0, lock_wait_timeout=60"),
)
_TELLING = ("sh", "-c", 'exec "$@" 2>&1', "sh")

_SECRET = "/run/secrets/MYSQL_ROOT_PASSWORD"
# Root may be let in over the socket, and sending a password is refused then; or it may need the secret.
# That goes from its file into the client's environment inside the container: it is never an argument, and
# never leaves the container.
_WITH_SECRET = ("sh", "-c", f'MYSQL_PWD=$(cat {_SECRET}) && export MYSQL_PWD && exec "$@"', "sh")

# The client says `ERROR 1045 (28000): ...`, mariadb-dump `Got error: 1045: ...` or `...: some reason (1356)`.
_ACCESS_DENIED = re.compile(r"(?i)\berror:? (1045|1698|4151)\b")
# All but 2xxx, which are the client's own (no server, connection lost); those without a number are of a text
# that it does not understand.
_SQL_ERROR = re.compile(r"(?i)\berror:? [134]\d{3}\b|\([134]\d{3}\)|\berror at line ")
_ERROR_LINE = re.compile(r"^ERROR .*$", re.MULTILINE)
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


@frozen
class LoadFailed(HermesBackupError):
    """SQL of a dump was refused by the server."""

    schema: str
    reason: str

    def __str__(self) -> str:
        return (
            f"loading a dump into the schema {self.schema} failed: {self.reason}. Look at `docker logs "
            f"{DATABASE_CONTAINER}`, mend what it names, then run the restore again."
        )


@frozen
class ProgramsNotKept(HermesBackupError):
    """The views, triggers, routines and events of live databases could not be written down."""

    reason: str

    def __str__(self) -> str:
        return (
            f"the views and programs of the live databases cannot be kept for an undo: {self.reason}. Drop or mend "
            "what is named there, then run the restore again."
        )


@frozen
class _Login:
    """A way in for root: what goes before the client, and what goes into its environment."""

    before: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(factory=dict, repr=False)


@define
class MariaDB:
    """The server in ``hermes_db_server``, asked as root over its socket.

    ``passwords`` are those that root may have besides the container's secret; they are asked for when needed.
    """

    stack: Stack
    passwords: Callable[[], Sequence[str]] = field(default=tuple, kw_only=True)
    _login: _Login | None = field(default=None, init=False)

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
        schema = quoted(database)
        rows = self.query(f"SELECT table_name FROM information_schema.tables WHERE table_schema = {schema}")  # noqa: S608
        return frozenset(row[0] for row in rows)

    def is_fresh(self) -> bool:
        """Whether no Hermes has used this server yet: it has no settings of one."""
        return "system_settings" not in self.tables("hermes")

    def charsets(self) -> frozenset[str]:
        """Return the character sets that the server knows."""
        return self._first_columns("SELECT character_set_name FROM information_schema.character_sets")

    def collations(self) -> frozenset[str]:
        """Return the collations that the server knows, by all their names."""
        # From 10.10 on a collation may serve many character sets, and has a full name for each.
        rows = self.query("SELECT * FROM information_schema.collation_character_set_applicability")
        return frozenset(name for row in rows for name in (row[0], *row[2:3]))

    def engines(self) -> frozenset[str]:
        """Return the storage engines that the server offers."""
        return self._first_columns("SELECT engine FROM information_schema.engines WHERE support IN ('YES', 'DEFAULT')")

    def data_folder(self) -> str:
        """Return where the server's files lie inside its container."""
        return self.query("SELECT @@datadir")[0][0]

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
            self.stack.stream(DATABASE_CONTAINER, (*(self._login or _Login()).before, *_DUMP, database), keep)
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
        makers = self._each(f"SHOW CREATE USER {account(user, host)}" for user, host, role in users if not role)
        roles = [f"CREATE ROLE IF NOT EXISTS {identifier(user)}" for user, _, role in users if role]
        grants = self._each(
            f"SHOW GRANTS FOR {identifier(user) if role else account(user, host)}" for user, host, role in users
        )
        existing = [_again(maker) for maker in makers]
        statements = [*roles, *(line for pair in existing for line in pair), *grants]
        return "".join(f"{statement};\n" for statement in statements)

    def _first_columns(self, sql: str) -> frozenset[str]:
        return frozenset(row[0] for row in self.query(sql))

    def _each(self, questions: Iterable[str]) -> list[str]:
        sql = ";\n".join(questions)
        return ["\t".join(row) for row in self.query(sql)] if sql else []

    def load(self, schema: str, chunks: Iterable[bytes]) -> None:
        """Run the SQL ``chunks`` with ``schema`` as the default one; raises `LoadFailed`."""
        try:
            self.feed(chunks, schema)
        except CommandFailed as err:
            raise LoadFailed(schema, said(err)) from err

    def feed(self, chunks: Iterable[bytes], schema: str = "") -> None:
        """Run the SQL ``chunks`` up to the first error, which is raised (`CommandFailed`)."""
        self._feed((), (*_LOADER, *((schema,) if schema else ())), chunks)

    def feed_all(self, chunks: Iterable[bytes]) -> str:
        """Run all of the SQL ``chunks`` and return what the client says of those statements that failed."""
        self.query("SELECT 1")  # a refusal of the login would be lost among what is told
        return self._feed(_TELLING, (*_LOADER, "--force"), chunks).decode("utf-8", "backslashreplace")

    def opens(self, user: str, password: str) -> str | None:
        """Return the account that ``user`` is let in as with ``password`` over TCP, or None where it is not."""
        argv = ("mariadb", "-h", "127.0.0.1", f"--user={user}", "--batch", "--skip-column-names")
        environ = {"MYSQL_PWD": password}
        try:
            answer = self.stack.run(DATABASE_CONTAINER, argv, stdin=b"SELECT CURRENT_USER()", environ=environ)
        except CommandFailed:
            return None
        return answer.decode("utf-8", "surrogateescape").strip("\n")

    def dump_programs(self, databases: Sequence[str]) -> bytes:
        """Return a dump without rows of ``databases``, proven whole; a view that is broken already is left out."""
        try:
            return self._dump_programs(databases, ())
        except ProgramsNotKept:
            broken = self.broken_views(databases)
            if not broken:
                raise
            return self._dump_programs(databases, tuple(f"--ignore-table={name}" for name in broken))

    def broken_views(self, databases: Iterable[str]) -> dict[str, str]:
        """Return the views of ``databases`` that cannot be opened, as `schema.name`, each with the server's reason."""
        schemas = ", ".join(map(quoted, databases))
        found = self.query(
            "SELECT HEX(table_schema), HEX(table_name) FROM information_schema.tables "  # noqa: S608
            f"WHERE table_type = 'VIEW' AND table_schema IN ({schemas})"
        )
        views = ", ".join(f"{identifier(unhexed(schema))}.{identifier(unhexed(name))}" for schema, name in found)
        problems: dict[str, str] = {}
        for name, _, kind, text in self.query(f"CHECK VIEW {views}") if views else ():
            if kind.lower() == "error":
                problems.setdefault(name, text)
        return problems

    def _dump_programs(self, databases: Sequence[str], options: Sequence[str]) -> bytes:
        argv = (*_DUMP_PROGRAMS, *options, "--databases", *databases)
        try:
            dump = self._as_root(lambda login: self._run_as(login, argv))
        except CommandFailed as err:
            raise ProgramsNotKept(said(err)) from err
        proof = DumpProof()
        proof.feed(dump)
        if not proof.is_closed:
            raise ProgramsNotKept("the closing line `-- Dump completed` is missing")
        return dump

    def _feed(self, before: Sequence[str], argv: Sequence[str], chunks: Iterable[bytes]) -> bytes:
        # What is fed can be read only once, so who is let in must be known first.
        if self._login is None:
            self.query("SELECT 1")
        login = self._login or _Login()
        try:
            return self.stack.feed(DATABASE_CONTAINER, (*login.before, *before, *argv), chunks, environ=login.environ)
        except CommandFailed as err:
            raise _told_apart(err) from err

    def _ask(self, sql: str) -> bytes:
        return self._as_root(lambda login: self._run_as(login, _CLIENT, sql.encode("utf-8", "surrogateescape")))

    def _as_root(self, work: Callable[[_Login], bytes]) -> bytes:
        """Do ``work`` as the login that did last, or where that is refused as the first that is let in."""
        if self._login is not None:
            try:
                return work(self._login)
            except AccessDenied:  # root's password was changed meanwhile
                self._login = None
        refusals: list[str] = []
        for name, login in self._logins():
            try:
                answer = work(login)
            except DatabaseUnreachable as err:
                if not isinstance(err, AccessDenied) and login.before != _WITH_SECRET:
                    raise
                refusals.append(name + err.reason)
            else:
                self._login = login
                return answer
        raise DatabaseUnreachable("; ".join(dict.fromkeys(refusals)))

    def _logins(self) -> Iterator[tuple[str, _Login]]:
        yield "", _Login()
        yield "with the secret: ", _Login(_WITH_SECRET)
        for password in self.passwords():
            yield "with a password of the credential files: ", _Login(environ={"MYSQL_PWD": password})

    def _run_as(self, login: _Login, argv: Sequence[str], stdin: bytes = b"") -> bytes:
        try:
            return self.stack.run(DATABASE_CONTAINER, (*login.before, *argv), stdin=stdin, environ=login.environ)
        except CommandFailed as err:
            raise _told_apart(err) from err


def said(err: CommandFailed) -> str:
    """Return what a program said when it failed, in short."""
    # The client shows the statement first, which may be long.
    errors = _ERROR_LINE.findall(err.stderr)
    return errors[-1] if errors else last_lines(err.stderr, 2) or str(err)


def _told_apart(err: CommandFailed) -> HermesBackupError:
    """Return what the failure of a client means: refused, not reached, or an error in the SQL itself."""
    if _ACCESS_DENIED.search(err.stderr):
        return AccessDenied(said(err))
    return err if _SQL_ERROR.search(err.stderr) else DatabaseUnreachable(said(err))


def _again(maker: str) -> tuple[str, str]:
    """Return what makes an account where it is missing, and what makes it equal where it is there."""
    return (
        maker.replace("CREATE USER ", "CREATE USER IF NOT EXISTS ", 1),
        maker.replace("CREATE USER ", "ALTER USER ", 1),
    )
