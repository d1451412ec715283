"""The server's accounts in a restore: kept, made as a backup lists them, fitted to credential files, put back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from attrs import frozen

from hermes_backup_core.domain.errors import CommandFailed, HermesBackupError
from hermes_backup_core.domain.host import DATABASE_CONTAINER
from hermes_backup_core.services.inventory import full_name
from hermes_backup_core.services.mariadb import MariaDB, said
from hermes_backup_core.services.sql import account, identifier, quoted, unhexed

COPY = "hermes_restore_accounts"
"""The schema that the accounts are kept in."""

_COMPLETE = "complete"
_KEYS = {
    "global_priv": ("Host", "User"),
    "db": ("Host", "Db", "User"),
    "tables_priv": ("Host", "Db", "User", "Table_name"),
    "columns_priv": ("Host", "Db", "User", "Table_name", "Column_name"),
    "procs_priv": ("Host", "Db", "User", "Routine_name", "Routine_type"),
    "proxies_priv": ("Host", "User", "Proxied_host", "Proxied_user"),
    "roles_mapping": ("Host", "User", "Role"),
}
"""The tables that make up the accounts and their rights, each with what tells its rows apart."""

_DROP = f"DROP DATABASE IF EXISTS {identifier(COPY)}"
_ROOT = "root"
_NATIVE = "mysql_native_password"
# What hashes a password, and how a text is written, must not depend on the server's settings.
_PLAIN = "SET SESSION sql_mode = '', old_passwords = 0"
# A server that looks no names up passes over these accounts, and so does ALTER USER.
_NEEDS_A_NAME = "host <> 'localhost' AND host NOT LIKE '%:%' AND host REGEXP '[a-z]'"
_FAILED = re.compile(r"^ERROR \d.*? at line (\d+).*$", re.MULTILINE)
_SECRETS = re.compile(r"(\bIDENTIFIED (?:BY|VIA|WITH)\b).*|( near ').*", re.IGNORECASE)


@frozen
class AccountsNotKept(HermesBackupError):
    """The tables of the accounts could not be copied, or not be put back."""

    reason: str

    def __str__(self) -> str:
        return (
            f"the accounts in {DATABASE_CONTAINER} could not be kept or put back: {self.reason}. Look at `docker logs "
            f"{DATABASE_CONTAINER}`, mend what it names, then try again."
        )


@frozen
class AccountsNotMade(HermesBackupError):
    """The server refused to make some accounts, or to give them their rights; all the others are made."""

    problems: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"{len(self.problems)} statements about accounts failed in {DATABASE_CONTAINER}, and all others took "
            f"effect: {'; '.join(self.problems)}. Mend what is named, then go on."
        )


@frozen
class Known:
    """An account on the server. ``fits`` tells that its password is the one that it is to have.

    ``is_plain`` where a password is its only way in: then a password that does not fit lets nobody in.
    """

    user: str
    host: str
    is_plain: bool
    is_open: bool
    by_socket: bool
    fits: bool

    def __str__(self) -> str:
        return account(self.user, self.host)

    @property
    def keeps_socket(self) -> bool:
        """Whether it is root, who gets in on this host without a password and goes on to do so."""
        return self.user == _ROOT and (self.by_socket or (self.is_open and self.host == "localhost"))


@frozen
class Accounts:
    """The port `AccountSwap` on the server ``database``."""

    database: MariaDB

    def keep(self) -> None:
        """Copy the tables that make up the accounts, unless a whole copy is there already."""
        there = self._tables()
        if _COMPLETE not in there[COPY]:
            copies = [statement for table in _KEYS if table in there["mysql"] for statement in _copied(table)]
            last = f"CREATE TABLE {full_name(COPY, _COMPLETE)} (n INT)"
            self._run([_DROP, f"CREATE DATABASE {identifier(COPY)}", *copies, last])

    def apply(self, sql: bytes) -> None:
        """Run ``sql``, as `MariaDB.accounts` gives it; raises `AccountsNotMade` when all the rest is done."""
        problems = _FAILED.finditer(self.database.feed_all([sql]))
        lines = sql.decode("utf-8", "backslashreplace").split("\n")
        if found := tuple(_problem(lines, problem) for problem in problems):
            raise AccountsNotMade(found)

    def fit(self, credentials: Mapping[str, str], root_password: str | None) -> tuple[str, ...]:
        """Give the accounts of each user the password in ``credentials``, where it is another one.

        Root is still let in over the socket where no password was needed there. Returns a sentence for each
        account that was changed, and for each user that has none.
        """
        root = {_ROOT: root_password} if root_password else {}
        wanted = {user: password for user, password in credentials.items() if user != _ROOT} | root
        known = self._known(wanted)
        unfit = [entry for entry in known if not self._is_let_in(entry, wanted[entry.user])]
        if unfit:
            self.apply("".join(f"{line};\n" for line in (_PLAIN, *(_set(e, wanted[e.user]) for e in unfit))).encode())
        return (*map(_told, unfit), *map(_lacking, sorted(wanted.keys() - {entry.user for entry in known})))

    def go_back(self) -> None:
        """Put every account and right back, and drop those that were made since; root is there at any moment."""
        there = self._tables()
        if _COMPLETE in there[COPY]:
            tables = [table for table in _KEYS if table in there[COPY]]
            self._run(["USE mysql", *map(_put_back, tables), *map(_cleared, tables), "FLUSH PRIVILEGES"])

    def forget(self) -> None:
        """Remove the copy."""
        self._run([_DROP])

    def _known(self, wanted: Mapping[str, str]) -> list[Known]:
        questions = " UNION ALL ".join(_question(user, password) for user, password in wanted.items())
        if not questions:
            return []
        try:
            rows = self.database.query(f"{_PLAIN}; {questions}")
        except CommandFailed as err:  # it shows the question, with the passwords
            raise AccountsNotMade((_masked(said(err)),)) from None
        return [Known(unhexed(user), unhexed(host), *(fact == "1" for fact in facts)) for user, host, *facts in rows]

    def _is_let_in(self, entry: Known, password: str) -> bool:
        """Whether ``password`` opens the account; it is tried where the server's tables do not tell."""
        if entry.fits or entry.is_plain or entry.user == _ROOT:
            return entry.fits
        return self.database.opens(entry.user, password) == f"{entry.user}@{entry.host}"

    def _tables(self) -> dict[str, set[str]]:
        rows = self.database.query(
            "SELECT table_schema, table_name FROM information_schema.tables "  # noqa: S608
            f"WHERE table_schema IN ('mysql', {quoted(COPY)})"
        )
        return {schema: {table for where, table in rows if where == schema} for schema in ("mysql", COPY)}

    def _run(self, statements: Iterable[str]) -> None:
        try:
            self.database.query("; ".join(statements))
        except CommandFailed as err:
            raise AccountsNotKept(said(err)) from err


def _copied(table: str) -> Iterator[str]:
    copy = full_name(COPY, table)
    yield f"CREATE TABLE {copy} LIKE mysql.{table}"
    yield f"INSERT INTO {copy} SELECT * FROM mysql.{table}"  # noqa: S608


def _put_back(table: str) -> str:
    return f"REPLACE INTO mysql.{table} SELECT * FROM {full_name(COPY, table)}"  # noqa: S608


def _cleared(table: str) -> str:
    keys = ", ".join(_KEYS[table])
    joined = f"LEFT JOIN {full_name(COPY, table)} AS kept USING ({keys})"
    return f"DELETE live FROM mysql.{table} AS live {joined} WHERE kept.Host IS NULL"


def _question(user: str, password: str) -> str:
    """Return the query for the accounts of ``user``, one row each, with the facts of `Known` in their order."""
    plugin, secret = (f"IFNULL(JSON_VALUE(priv, '$.{name}'), '')" for name in ("plugin", "authentication_string"))
    only_password = f"({plugin} IN ('', '{_NATIVE}') AND JSON_EXTRACT(priv, '$.auth_or') IS NULL)"
    return (
        f"SELECT HEX(user), HEX(host), {only_password}, {only_password} AND {secret} = '', "  # noqa: S608
        f"priv LIKE '%unix\\_socket%', {plugin} IN ('', '{_NATIVE}') AND {secret} = PASSWORD({quoted(password)}) "
        f"FROM mysql.global_priv WHERE user = {quoted(user)} AND NOT IFNULL(JSON_VALUE(priv, '$.is_role'), 0) "
        f"AND NOT (@@skip_name_resolve AND {_NEEDS_A_NAME})"
    )


def _set(entry: Known, password: str) -> str:
    if entry.keeps_socket:
        return f"ALTER USER {entry} IDENTIFIED VIA unix_socket OR {_NATIVE} USING PASSWORD({quoted(password)})"
    return f"ALTER USER {entry} IDENTIFIED BY {quoted(password)}"


def _told(entry: Known) -> str:
    return f"the database account {entry} now has the password of the credential files"


def _lacking(user: str) -> str:
    return (
        f"the credential files name the database user {user}, who has no account on the server: make one, or what "
        "uses it cannot log in"
    )


def _problem(lines: Sequence[str], problem: re.Match[str]) -> str:
    """Return a sentence for an error that the client told, with its statement and without any secret."""
    number = int(problem[1])
    statement = lines[number - 1] if number <= len(lines) else ""
    return f"`{_masked(statement)}`: {_masked(problem[0])}"


def _masked(text: str) -> str:
    return _SECRETS.sub(lambda found: f"{(found[1] or found[2])} …", text)
