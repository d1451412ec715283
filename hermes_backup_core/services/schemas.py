"""The six databases of a restore: loaded beside, exchanged by renames, and put back.

A database's loaded copy and its old one lie in schemas of their own. No rename moves a view or a program, nor
a table with triggers, so these are dropped and made again. A marker table is moved in the same statement as
all the other tables, and the server makes that statement whole or not at all: where the marker lies tells how
far the exchange came, wherever it was broken off.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from attrs import frozen

from hermes_backup_core.domain.contents import Loaded
from hermes_backup_core.domain.errors import CommandFailed, HermesBackupError
from hermes_backup_core.domain.scope import DATABASES
from hermes_backup_core.services.definers import missing_definers
from hermes_backup_core.services.inventory import Inventory, Move, full_name, inventory_question, rename
from hermes_backup_core.services.mariadb import MariaDB, said
from hermes_backup_core.services.sql import identifier, quoted

PREFIX = "hermes_restore_"
"""How the names of all schemas begin that only a restore makes."""

MARKER = f"{PREFIX}marker"

_SETTINGS = "SET SESSION foreign_key_checks = 0, lock_wait_timeout = 60"
# The script of a run that was killed goes on for as long as the server has some of it: it is waited for.
_ALONE = "DO GET_LOCK('hermes_restore', 60)"
# Routines that are dropped would take the rights on them along. The setting lasts until the server's next start
# where the rest is broken off: then no right gets lost either.
_BEGIN = (
    _ALONE,
    _SETTINGS,
    "SET @hermes_privileges = @@GLOBAL.automatic_sp_privileges",
    "SET GLOBAL automatic_sp_privileges = OFF",
)
_END = b"\nDELIMITER ;\nSET GLOBAL automatic_sp_privileges = @hermes_privileges;\n"


@frozen
class SchemaIncomplete(HermesBackupError):
    """What was loaded of a database lacks some of its tables."""

    database: str
    missing: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"the loaded copy of database {self.database} lacks {', '.join(self.missing)}; nothing was exchanged: "
            "use another backup"
        )


@frozen
class NotStaged(HermesBackupError):
    """There is no loaded copy of a database that could be exchanged."""

    database: str

    def __str__(self) -> str:
        return (
            f"there is no loaded copy of database {self.database} on the server; its tables are as they were: "
            "run the restore again from its beginning"
        )


@frozen
class ExchangeFailed(HermesBackupError):
    """The server refused a part of the exchange."""

    databases: tuple[str, ...]
    reason: str

    def __str__(self) -> str:
        return (
            f"the tables of {', '.join(self.databases)} could not be exchanged: {self.reason}. Both copies are still "
            "on the server: mend what is named, then go on, or go back to the old state."
        )


@frozen
class Schemas:
    """The port `SchemaSwap` on the server ``database``."""

    database: MariaDB

    def present(self) -> tuple[str, ...]:
        """Return those of the six that are on the server."""
        there = self._schemas()
        return tuple(name for name in DATABASES if name in there)

    def leftovers(self) -> tuple[str, ...]:
        """Return the schemas on the server that only a restore makes."""
        return tuple(sorted(name for name in self._schemas() if name.startswith(PREFIX)))

    def stage(self, database: str, defaults: str, chunks: Iterable[bytes]) -> None:
        """Load ``chunks``, tables and rows, into the schema beside ``database``, made anew; the marker comes last."""
        new = staged(database)
        self.database.query(f"{_SETTINGS}; {_dropped(new)}; {_made(new, defaults)}")
        self.database.load(new, chunks)
        self.database.query(f"CREATE TABLE {full_name(new, MARKER)} (swapped INT)")

    def check(self, database: str, tables: frozenset[str]) -> None:
        """Raise `SchemaIncomplete` where the loaded copy lacks one of ``tables``."""
        missing = tables - set(self._inventory([staged(database)]).tables(staged(database)))
        if missing:
            raise SchemaIncomplete(database, tuple(sorted(missing)))

    def keep(self, databases: Sequence[str]) -> bytes:
        """Return a dump without rows of those of ``databases`` that are there, and nothing where none is."""
        there = self._schemas()
        wanted = [name for name in databases if name in there]
        return self.database.dump_programs(wanted) if wanted else b""

    def defaults(self, databases: Sequence[str]) -> dict[str, str]:
        """Return the character sets and collations of those of ``databases`` that are there."""
        rows = self.database.query(
            "SELECT schema_name, default_character_set_name, default_collation_name FROM information_schema.schemata "  # noqa: S608
            f"WHERE schema_name IN ({', '.join(map(quoted, databases))})"
        )
        return {name: f"DEFAULT CHARACTER SET {charset} COLLATE {collation}" for name, charset, collation in rows}

    def exchange(self, loaded: Sequence[Loaded]) -> None:
        """Exchange the live tables for the loaded ones, then make the views and programs anew.

        One query, one rename and one script in all.
        """
        names = tuple(part.database for part in loaded)
        inventory = self._inventory(_around(names))
        for name in names:
            if _place(inventory, name) is None:
                raise NotStaged(name)
        self._run(names, _exchange(inventory, loaded))

    def go_back(self, databases: Mapping[str, str], programs: Iterable[bytes]) -> None:
        """Put the old tables back, and all ``programs`` as they were; drop the databases that were not there.

        Where a copy was never loaded, or is forgotten, the tables stay as they are.
        """
        inventory = self._inventory(_around(databases))
        self._run(tuple(databases), _way_back(inventory, databases, programs))

    def forget(self, databases: Sequence[str]) -> None:
        """Remove the loaded and the old copies."""
        drops = (_dropped(schema) for name in databases for schema in (staged(name), kept(name)))
        self.database.query("; ".join([_SETTINGS, *drops]))

    def missing_definers(self, databases: Sequence[str]) -> tuple[str, ...]:
        """Return a sentence for each view or program that would fail at its first use."""
        return missing_definers(self.database, databases)

    def _schemas(self) -> frozenset[str]:
        return frozenset(row[0] for row in self.database.query("SELECT schema_name FROM information_schema.schemata"))

    def _inventory(self, schemas: Iterable[str]) -> Inventory:
        return Inventory.of(self.database.query(f"{_ALONE}; {inventory_question(schemas)}"))

    def _run(self, names: tuple[str, ...], script: Iterable[bytes]) -> None:
        try:
            self.database.feed(script)
        except CommandFailed as err:
            raise ExchangeFailed(names, said(err)) from err


def staged(database: str) -> str:
    """Return the schema of the loaded copy of ``database``."""
    return f"{PREFIX}new_{database}"


def kept(database: str) -> str:
    """Return the schema of the old tables of ``database``."""
    return f"{PREFIX}old_{database}"


def _around(databases: Iterable[str]) -> list[str]:
    return [schema for name in databases for schema in (name, staged(name), kept(name))]


def _place(inventory: Inventory, database: str) -> str | None:
    """Return the schema that the marker is in: that of the loaded copy before the exchange, the old one's after."""
    return next((schema for schema in (staged(database), kept(database)) if MARKER in inventory.tables(schema)), None)


def _exchange(inventory: Inventory, loaded: Sequence[Loaded]) -> Iterator[bytes]:
    names = [part.database for part in loaded]
    yield from _lines(_BEGIN)
    for part in loaded:
        yield from _lines([_made(part.database, part.defaults), _made(kept(part.database))])
        yield from _lines(inventory.drops(part.database))
    yield from _lines(rename([move for name in names for move in _moves(inventory, name, staged(name), kept(name))]))
    for part in loaded:
        yield from _lines([*_altered(part.database, part.defaults), f"USE {identifier(part.database)}"])
        yield from part.programs
        yield b"\nDELIMITER ;\n"
    yield _END


def _way_back(inventory: Inventory, databases: Mapping[str, str], programs: Iterable[bytes]) -> Iterator[bytes]:
    # The tables of a database that was not there go back beside as well, so that the exchange can be made anew.
    touched = {name: defaults for name, defaults in databases.items() if defaults or _place(inventory, name)}
    yield from _lines(_BEGIN)
    for name, defaults in touched.items():
        yield from _lines([_made(name, defaults), *inventory.drops(name)])
        yield from _lines([_made(staged(name))] if _place(inventory, name) else [])
    yield from _lines(rename([move for name in touched for move in _moves(inventory, name, kept(name), staged(name))]))
    for name, defaults in touched.items():
        drops = [_dropped(schema) for schema in (name, kept(name))]
        yield from _lines(_altered(name, defaults) if defaults else drops)
    yield from programs
    yield _END


def _moves(inventory: Inventory, database: str, source: str, target: str) -> Iterator[Move]:
    """Yield the renames that put what lies in ``source`` in place, and what was there into ``target``.

    None where the marker is not in ``source``: they have been made, or there is nothing to put in place.
    """
    if _place(inventory, database) == source:
        yield from (Move(table, database, target) for table in inventory.tables(database))
        yield from (Move(table, source, database) for table in inventory.tables(source) if table != MARKER)
        yield Move(MARKER, source, target)


def _made(schema: str, defaults: str = "") -> str:
    return f"CREATE DATABASE IF NOT EXISTS {identifier(schema)} {defaults}"


def _dropped(schema: str) -> str:
    return f"DROP DATABASE IF EXISTS {identifier(schema)}"


def _altered(schema: str, defaults: str) -> list[str]:
    return [f"ALTER DATABASE {identifier(schema)} {defaults}"] if defaults else []


def _lines(statements: Iterable[str]) -> Iterator[bytes]:
    return (f"{statement};\n".encode("utf-8", "surrogateescape") for statement in statements)
