"""What lies in schemas of the server, and the SQL that drops or moves it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from attrs import frozen

from hermes_backup_core.services.sql import identifier, quoted, unhexed

_TABLE = "TABLE"
_SCHEMA = "SCHEMA"
_PROGRAMS = ("TRIGGER", "EVENT", "VIEW", "PROCEDURE", "FUNCTION", "PACKAGE BODY", "PACKAGE")
"""All that no rename moves, in the order in which it is dropped."""

_FOUND_IN = (
    ("IF(table_type = 'VIEW', 'VIEW', 'TABLE')", "table_schema", "table_name", "tables"),
    ("'TRIGGER'", "trigger_schema", "trigger_name", "triggers"),
    ("routine_type", "routine_schema", "routine_name", "routines"),
    ("'EVENT'", "event_schema", "event_name", "events"),
)


@frozen
class Inventory:
    """The schemas that are there, of those asked for, and what is in each: (schema, kind, name)."""

    schemas: frozenset[str]
    objects: tuple[tuple[str, str, str], ...]

    @classmethod
    def of(cls, rows: Iterable[Sequence[str]]) -> Inventory:
        """Return what the ``rows`` tell that answer an `inventory_question`."""
        found = sorted((unhexed(schema), kind, unhexed(name)) for kind, schema, name in rows)
        schemas = frozenset(schema for schema, kind, _ in found if kind == _SCHEMA)
        return cls(schemas, tuple(entry for entry in found if entry[1] != _SCHEMA))

    def tables(self, schema: str) -> tuple[str, ...]:
        """Return the tables and sequences in ``schema``."""
        return tuple(name for where, kind, name in self.objects if (where, kind) == (schema, _TABLE))

    def drops(self, schema: str) -> Iterable[str]:
        """Yield the statements that drop all in ``schema`` but its tables."""
        for wanted in _PROGRAMS:
            for where, kind, name in self.objects:
                if (where, kind) == (schema, wanted):
                    drop = f"DROP {kind} IF EXISTS {full_name(schema, name)}"
                    yield _in_oracle_mode(drop) if kind.startswith("PACKAGE") else drop


@frozen
class Move:
    """A table that changes its schema."""

    table: str
    source: str
    target: str

    def __str__(self) -> str:
        return f"{full_name(self.source, self.table)} TO {full_name(self.target, self.table)}"


def inventory_question(schemas: Iterable[str]) -> str:
    """Return the query that asks for all in ``schemas``."""
    within = ", ".join(map(quoted, schemas))
    sources = (*_FOUND_IN, (f"'{_SCHEMA}'", "schema_name", "''", "schemata"))
    parts = [
        f"SELECT {kind}, HEX({schema}), HEX({name}) FROM information_schema.{source} WHERE {schema} IN ({within})"  # noqa: S608
        for kind, schema, name, source in sources
    ]
    return " UNION ALL ".join(parts)


def rename(moves: Sequence[Move]) -> Iterable[str]:
    """Yield the one statement that makes all ``moves``, or none where there are none."""
    if moves:
        yield "RENAME TABLE " + ", ".join(map(str, moves))


def full_name(schema: str, name: str) -> str:
    """Return the name of what is called ``name`` in ``schema``."""
    return f"{identifier(schema)}.{identifier(name)}"


def _in_oracle_mode(statement: str) -> str:
    """Packages are words of that mode's grammar alone."""
    return f"SET @hermes_mode = @@sql_mode, sql_mode = ORACLE; {statement}; SET sql_mode = @hermes_mode"
