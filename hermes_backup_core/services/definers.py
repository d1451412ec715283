"""Views and programs that load well and fail at their first use: their definer or what they rest on is missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import starmap

from hermes_backup_core.services.inventory import full_name
from hermes_backup_core.services.mariadb import MariaDB
from hermes_backup_core.services.sql import quoted, unhexed

_ACCOUNT = "ACCOUNT"
# What is run with the rights of who calls it needs no definer.
_DEFINED_IN = (
    ("'VIEW'", "table_schema", "table_name", "views", " AND security_type = 'DEFINER'"),
    ("'TRIGGER'", "trigger_schema", "trigger_name", "triggers", ""),
    ("routine_type", "routine_schema", "routine_name", "routines", " AND security_type = 'DEFINER'"),
    ("'EVENT'", "event_schema", "event_name", "events", ""),
)


def missing_definers(database: MariaDB, databases: Sequence[str]) -> tuple[str, ...]:
    """Return a sentence for each view or program of ``databases`` that fails at its first use."""
    orphans = sorted(_orphans(database.query(_question(databases))))
    named = {f"{schema}.{name}" for _, schema, name, _ in orphans}
    broken = database.broken_views(databases)
    return (*starmap(_told, orphans), *(_opened(view, broken[view]) for view in sorted(broken.keys() - named)))


def _orphans(rows: Iterable[Sequence[str]]) -> Iterator[tuple[str, str, str, str]]:
    """Yield kind, schema, name and definer of each whose definer is no account among the ``rows``."""
    found = [(kind, *map(unhexed, texts)) for kind, *texts in rows]
    accounts = {f"{user}@{host}" for kind, user, host, _ in found if kind == _ACCOUNT}
    for kind, schema, name, definer in found:
        # A role is its bare name in one place, and has an empty host in another.
        if kind != _ACCOUNT and definer not in accounts and f"{definer}@" not in accounts:
            yield kind, schema, name, definer


def _told(kind: str, schema: str, name: str, definer: str) -> str:
    return (
        f"{kind.lower()} {full_name(schema, name)} fails at its first use, as its definer {definer} is no account of "
        "this server: make that account"
    )


def _opened(view: str, reason: str) -> str:
    return f"view {view} cannot be opened: {reason}; make what it rests on"


def _question(databases: Sequence[str]) -> str:
    within = ", ".join(map(quoted, databases))
    parts = [f"SELECT '{_ACCOUNT}', HEX(user), HEX(host), '' FROM mysql.user"]  # noqa: S608
    parts += [
        f"SELECT {kind}, HEX({schema}), HEX({name}), HEX(definer) FROM information_schema.{source} "  # noqa: S608
        f"WHERE {schema} IN ({within}){condition}"
        for kind, schema, name, source, condition in _DEFINED_IN
    ]
    return " UNION ALL ".join(parts)
