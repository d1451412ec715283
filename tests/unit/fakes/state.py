"""What a run may change of a host in memory, at one moment: containers, the database, files."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from attrs import define, field, frozen

from hermes_backup_core.domain.swap import HIDDEN

BUILD = "v260119"

LIVE = ("tables", "programs", "defaults", "users", "password")
"""What the applications see of a database server."""
BESIDE = ("staged", "old", "kept_users", "kept_is_whole")
"""What only a restore makes there."""


@define
class Box:
    """A container. ``since`` is when it was started; ``ends_with`` the exit code that a stop gives it."""

    state: str = "running"
    exit_code: int = 0
    since: float = -1000.0
    ends_with: int = 0
    # What it does at a start: "runs", "refuses" (the engine says so) or "dies" (right away).
    start: str = "runs"
    # Compose's files that it was made of, where they are known: Compose makes it anew only where these differ.
    made_of: tuple[bytes | None, ...] = ()


@define
class Database:
    """MariaDB. A table is named with what its dump says; ``trouble`` is the stderr of the dumps to come.

    ``staged`` and ``old`` are the schemas beside each database, ``programs`` the lines that make its views,
    triggers, routines and events, ``defaults`` its character set and collation; ``users`` are the accounts with
    their passwords, but root's, which is ``password``. Root's secret is ``secret``, or in the file ``secret_file``.
    """

    tables: dict[str, dict[str, bytes]]
    build_no: str | None = BUILD
    password: str | None = None
    secret: str | None = None
    accounts: list[tuple[str, str, str]] = field(factory=list)
    boots_for: float = 0.0
    trouble: dict[str, list[str]] = field(factory=dict)
    broken: str | None = None
    closing_line: bytes = b"-- Dump completed on 2026-06-01 10:30:00\n"
    left_out_of_dumps: frozenset[str] = frozenset()
    dropped_by_dumping: frozenset[str] = frozenset()

    staged: dict[str, dict[str, bytes]] = field(factory=dict)
    old: dict[str, dict[str, bytes]] = field(factory=dict)
    programs: dict[str, bytes] = field(factory=dict)
    defaults: dict[str, str] = field(factory=dict)
    users: dict[str, str] = field(factory=dict)
    kept_users: dict[str, str | None] | None = None
    kept_is_whole: bool = False
    load_trouble: dict[str, str] = field(factory=dict)
    missing_definers: tuple[str, ...] = ()
    secret_file: str | None = None

    def state(self) -> dict[str, Any]:
        """Return what a restore may change, as it is now."""
        return {name: copy.deepcopy(getattr(self, name)) for name in (*LIVE, *BESIDE)}

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to ``state``."""
        for name, value in state.items():
            setattr(self, name, copy.deepcopy(value))


@frozen
class State:
    """What a run may change, as it was at one moment."""

    boxes: dict[str, Box]
    maintenance: bool
    files: dict[str, bytes]
    journal: bytes | None
    folders: frozenset[str]
    links: dict[str, str]
    shapes: dict[str, str]
    database: dict[str, Any]
    restore_journal: bytes | None
    kept: dict[str, bytes]

    @property
    def running(self) -> frozenset[str]:
        """The containers that run."""
        return running(self.boxes)

    @property
    def leftovers(self) -> tuple[str, ...]:
        """What only a restore makes: hidden folders, schemas, its journal and what that keeps. None when it is over."""
        hidden = sorted(path for path in (*self.files, *self.folders, *self.links) if is_hidden(path))
        schemas = sorted(f"{name} {database}" for name in ("staged", "old") for database in self.database[name])
        accounts = ["accounts"] if self.database["kept_users"] is not None else []
        journal = ["journal"] if self.restore_journal is not None else []
        return (*hidden, *schemas, *accounts, *journal, *self.kept)

    def same_for_users(self, other: State) -> bool:
        """Whether the same runs, the same is in maintenance, and files, databases and accounts are the same.

        What only a restore sees (`leftovers`) does not count.
        """
        return self.differences(other) == []

    def differences(self, other: State) -> list[str]:
        """Return a line for each thing that users would find to be not the same."""
        mine, theirs = self._seen(), other._seen()
        return sorted(f"{key}: {mine.get(key)!r:.200} is not {theirs.get(key)!r:.200}" for key in unequal(mine, theirs))

    def _seen(self) -> dict[str, Any]:
        trees: dict[str, Mapping[str, object]] = {"file": self.files, "link": self.links, "shape": self.shapes}
        return {
            "running": sorted(self.running),
            "maintenance": self.maintenance,
            **{f"database {name}": self.database[name] for name in LIVE},
            "folders": sorted(path for path in self.folders if not is_hidden(path)),
            **{
                f"{kind} {path}": what
                for kind, paths in trees.items()
                for path, what in paths.items()
                if not is_hidden(path)
            },
        }


def unequal(one: dict[str, Any], other: dict[str, Any]) -> set[str]:
    """Return the keys that only one of the two has, or that mean something else in the other."""
    return {key for key in {*one, *other} if key not in one or key not in other or one[key] != other[key]}


def is_hidden(path: str) -> bool:
    """Whether ``path`` lies in what only a restore makes, or is that."""
    return f"/{HIDDEN}" in path


def running(boxes: dict[str, Box]) -> frozenset[str]:
    """Return the names of those of ``boxes`` that run."""
    return frozenset(name for name, box in boxes.items() if box.state in ("running", "restarting"))
