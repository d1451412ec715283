"""The fakes of the database server as a restore changes it: a state machine over `MemoryHost.database`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from attrs import define

from hermes_backup_core.domain.contents import Loaded
from hermes_backup_core.domain.host import DATABASE_CONTAINER
from hermes_backup_core.domain.scope import DATABASES
from hermes_backup_core.services.accounts import COPY
from hermes_backup_core.services.mariadb import DatabaseUnreachable, LoadFailed
from hermes_backup_core.services.schemas import MARKER, NotStaged, SchemaIncomplete, kept, staged
from tests.unit.fakes.host import MemoryHost
from tests.unit.fakes.programs import dump_text
from tests.unit.fakes.state import Database

_ROW = re.compile(rb"^INSERT INTO `((?:[^`]|``)+)`.*\n?", re.MULTILINE)
_TABLE = re.compile(rb"^CREATE TABLE (?:IF NOT EXISTS )?`((?:[^`]|``)+)`", re.MULTILINE)
_MAKER = re.compile(rb"^.*CREATE.*\b(?:VIEW|TRIGGER|PROCEDURE|FUNCTION|EVENT) .*$", re.MULTILINE)
_USE = re.compile(rb"^USE `([^`]+)`;$", re.MULTILINE)
_USER = re.compile(rb"^(?:CREATE|ALTER) USER (?:IF NOT EXISTS )?'([^']*)'@'[^']*' IDENTIFIED BY PASSWORD '\*([^']*)'")


@contextmanager
def asked(host: MemoryHost, call: str, *, alone: bool = False) -> Iterator[Database]:
    """Wrap one sub-step at the server, which must run; with ``alone`` nothing else may."""
    with host.port(call):
        box = host.boxes[DATABASE_CONTAINER]
        if box.state != "running" or host.now < box.since + host.database.boots_for:
            raise DatabaseUnreachable(f"container {DATABASE_CONTAINER} is not running")
        if alone and (others := sorted(host.running() - {DATABASE_CONTAINER, *host.may_run})):
            host.violations.append(f"{call} while {', '.join(others)} ran")
        yield host.database


@define
class MemorySchemas:
    """The six databases. Each method is made of calls of `MemoryHost.port`, so that it can be broken off in between."""

    host: MemoryHost

    def present(self) -> tuple[str, ...]:
        with asked(self.host, "schemas.present") as data:
            return tuple(name for name in DATABASES if name in data.tables)

    def leftovers(self) -> tuple[str, ...]:
        with asked(self.host, "schemas.leftovers") as data:
            accounts = () if data.kept_users is None else (COPY,)
            return (*map(staged, data.staged), *map(kept, data.old), *accounts)

    def stage(self, database: str, defaults: str, chunks: Iterable[bytes]) -> None:
        with asked(self.host, "schemas.stage.drop") as data:
            data.staged.pop(database, None)
        text = b"".join(chunks)
        with asked(self.host, "schemas.stage.load") as data:
            tables = _tables(text)
            data.staged[database] = dict(list(tables.items())[:1])
            if trouble := data.load_trouble.get(database):
                raise LoadFailed(staged(database), trouble)
            data.staged[database] = tables
        with asked(self.host, "schemas.stage.mark") as data:
            data.staged[database][MARKER] = b""

    def check(self, database: str, tables: frozenset[str]) -> None:
        with asked(self.host, "schemas.check") as data:
            if missing := tables - set(data.staged.get(database, ())):
                raise SchemaIncomplete(database, tuple(sorted(missing)))

    def keep(self, databases: Sequence[str]) -> bytes:
        with asked(self.host, "schemas.keep") as data:
            present = [name for name in databases if name in data.tables]
            dumps = [b"".join(dump_text(data, name, rows=False)) for name in present]
            return b"".join((*dumps, data.closing_line)) if dumps else b""

    def defaults(self, databases: Sequence[str]) -> dict[str, str]:
        with asked(self.host, "schemas.defaults") as data:
            return {name: f"DEFAULT {data.defaults[name]}" for name in databases if name in data.tables}

    def exchange(self, loaded: Sequence[Loaded]) -> None:
        with asked(self.host, "schemas.swap.look", alone=True) as data:
            for part in loaded:
                if not any(MARKER in side.get(part.database, ()) for side in (data.staged, data.old)):
                    raise NotStaged(part.database)
        for part in loaded:
            self._exchange(part.database, part.defaults, part.programs)

    def _exchange(self, database: str, defaults: str, programs: Iterable[bytes]) -> None:
        self._drop_programs("schemas.swap.drop", database)
        with asked(self.host, "schemas.swap.create", alone=True) as data:
            data.tables.setdefault(database, {})
            data.old.setdefault(database, {})
        with asked(self.host, "schemas.swap.rename", alone=True) as data:
            _exchange(data, database)
        with asked(self.host, "schemas.swap.defaults", alone=True) as data:
            data.defaults[database] = _plain(defaults)
        self._make("schemas.swap.programs", database, b"".join(programs))

    def go_back(self, databases: Mapping[str, str], programs: Iterable[bytes]) -> None:
        text = b"".join(programs)
        for database, defaults in databases.items():
            if not defaults:
                self._drop_database(database)
                continue
            self._drop_programs("schemas.go_back.drop", database)
            with asked(self.host, "schemas.go_back.rename", alone=True) as data:
                _exchange_back(data, database)
            with asked(self.host, "schemas.go_back.defaults", alone=True) as data:
                data.defaults[database] = _plain(defaults)
            self._make("schemas.go_back.programs", database, _of_database(text, database))

    def forget(self, databases: Sequence[str]) -> None:
        for side in ("staged", "old"):
            with asked(self.host, f"schemas.forget.{side}") as data:
                for database in databases:
                    getattr(data, side).pop(database, None)

    def missing_definers(self, databases: Sequence[str]) -> tuple[str, ...]:
        with asked(self.host, "schemas.missing_definers") as data:
            return data.missing_definers

    def _drop_programs(self, call: str, database: str) -> None:
        with asked(self.host, call, alone=True) as data:
            data.programs.pop(database, None)

    def _drop_database(self, database: str) -> None:
        with asked(self.host, "schemas.go_back.absent.rename", alone=True) as data:
            _exchange_back(data, database)
        with asked(self.host, "schemas.go_back.absent.drop", alone=True) as data:
            # Where no copy was ever loaded, it is none that a restore made.
            if MARKER in data.staged.get(database, ()):
                for live in (data.tables, data.programs, data.defaults, data.old):
                    live.pop(database, None)

    def _make(self, call: str, database: str, text: bytes) -> None:
        makers = [maker + b"\n" for maker in _MAKER.findall(text)]
        for maker in makers:
            with asked(self.host, call, alone=True) as data:
                data.programs[database] = data.programs.get(database, b"") + maker


@define
class MemoryAccounts:
    """The accounts in ``Database.users``, with root's password in ``Database.password``."""

    host: MemoryHost

    def keep(self) -> None:
        with asked(self.host, "accounts.keep.begin") as data:
            if data.kept_is_whole:
                return
            data.kept_users = {}
        with asked(self.host, "accounts.keep.copy") as data:
            data.kept_users = {**data.users, "root": data.password}
            data.kept_is_whole = True

    def apply(self, sql: bytes) -> None:
        found = (_USER.match(line) for line in sql.splitlines())
        users = {match[1].decode(): match[2].decode() for match in found if match}
        for names in (list(users)[:1], list(users)[1:]):
            with asked(self.host, "accounts.apply", alone=True) as data:
                data.users.update((name, users[name]) for name in names)

    def fit(self, credentials: Mapping[str, str], root_password: str | None) -> tuple[str, ...]:
        told = []
        for user, password in credentials.items():
            with asked(self.host, "accounts.fit", alone=True) as data:
                if user not in data.users:
                    told.append(f"the credential files name the database user {user}, who has no account")
                elif data.users[user] != password:
                    data.users[user] = password
                    told.append(f"the database account {user} now has the password of the credential files")
        with asked(self.host, "accounts.fit.root", alone=True) as data:
            if root_password not in (None, data.password):
                data.password = root_password
                told.append("the database account root now has the password of the credential files")
        return tuple(told)

    def go_back(self) -> None:
        with asked(self.host, "accounts.go_back.replace", alone=True) as data:
            kept = data.kept_users
            if kept is None or not data.kept_is_whole:
                return
            data.users.update((user, password or "") for user, password in kept.items() if user != "root")
        with asked(self.host, "accounts.go_back.delete", alone=True) as data:
            for user in set(data.users) - set(kept):
                del data.users[user]
            data.password = kept["root"]

    def forget(self) -> None:
        with asked(self.host, "accounts.forget") as data:
            data.kept_users, data.kept_is_whole = None, False


def _tables(text: bytes) -> dict[str, bytes]:
    """Return the tables that a dump makes, each with the text of its rows."""
    tables = {_name(match[1]): b"" for match in _TABLE.finditer(text)}
    for match in _ROW.finditer(text):
        tables[_name(match[1])] += match[0]
    return tables


def _name(quoted: bytes) -> str:
    return quoted.replace(b"``", b"`").decode("utf-8", "surrogateescape")


def _exchange(data: Database, database: str) -> None:
    staged = data.staged.get(database, {})
    if MARKER not in staged:
        return
    data.old[database] = {**data.tables[database], MARKER: b""}
    data.tables[database] = {table: rows for table, rows in staged.items() if table != MARKER}
    data.staged[database] = {}


def _exchange_back(data: Database, database: str) -> None:
    old = data.old.get(database, {})
    if MARKER in old:
        data.staged[database] = {**data.tables[database], MARKER: b""}
        data.tables[database] = {table: rows for table, rows in old.items() if table != MARKER}
        data.old[database] = {}


def _of_database(text: bytes, database: str) -> bytes:
    """Return what stands behind the USE line of ``database``."""
    _, *parts = _USE.split(text)
    return b"".join(part for name, part in zip(parts[::2], parts[1::2], strict=True) if name.decode() == database)


def _plain(defaults: str) -> str:
    return defaults.removeprefix("DEFAULT ")
