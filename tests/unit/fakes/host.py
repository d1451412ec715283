"""One host in memory: what it is made of, what happens when it is asked, and what can go wrong with it.

The ports' fakes (`stack.py`, `files.py`, `watching.py`) all act on one `MemoryHost`. Each of their calls goes
through `MemoryHost.port`, so a test can fail the n-th of them, look at the host at that moment, or change it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from attrs import define, field

from hermes_backup_core.domain.host import ComposeProject, Dependency, Mount, Room, Service
from hermes_backup_core.domain.paths import is_below, is_within
from hermes_backup_core.domain.scope import DATABASES
from hermes_backup_core.domain.selection import PackReport
from hermes_backup_core.domain.snapshots import Ground
from tests.unit.fakes.state import Box, Database, State, running

ROOT = "/opt/hermes"
OUTPUT = "/backups"

CONTAINERS = (
    "hermes_authelia",
    "hermes_commandbox",
    "hermes_db_server",
    "hermes_dovecot",
    "hermes_ldap",
    "hermes_nextcloud",
    "hermes_postfix_dkim",
)
DEPENDS = {
    "hermes_authelia": (Dependency("hermes_db_server", healthy=True), Dependency("hermes_ldap")),
    "hermes_dovecot": (Dependency("hermes_db_server"),),
    "hermes_nextcloud": (Dependency("hermes_db_server"),),
}

Hook = Callable[[str, int, str], None]
"""Called with ``before`` or ``after``, the call's number and its name."""


@define
class MemoryHost:
    """The host. Its paths are plain dictionaries; its time moves when somebody sleeps or works."""

    boxes: dict[str, Box] = field(factory=lambda: {name: Box() for name in CONTAINERS})
    depends: dict[str, tuple[Dependency, ...]] = field(factory=lambda: dict(DEPENDS))
    database: Database = field(factory=lambda: Database(default_tables()))
    ldif: bytes = b"dn: dc=hermes,dc=local\ndc: hermes\n\ndn: ou=users,dc=hermes,dc=local\nou: users\n\n"
    ldap_trouble: str = ""
    maintenance: bool = False
    occ_trouble: dict[str, str] = field(factory=dict)
    occ_boots_for: float = 0.0
    console_boots_for: float = 0.0
    mail_trouble: str = ""
    mails: list[bytes] = field(factory=list)
    lacking: dict[str, set[str]] = field(factory=dict)
    executed: list[tuple[str, tuple[str, ...], str | None, bytes]] = field(factory=list)

    files: dict[str, bytes] = field(factory=dict)
    folders: set[str] = field(factory=set)
    links: dict[str, str] = field(factory=dict)
    bound: dict[str, tuple[str, ...]] = field(factory=dict)
    unmounted: dict[str, tuple[str, ...]] = field(factory=dict)
    room: Room = field(default=Room(1 << 40, 1 << 20))
    full_after: int | None = None
    output_problem: str | None = None
    volumes: dict[str, str] = field(factory=dict)
    tar_problem: str | None = None
    pack_trouble: str = ""
    packed: dict[str, PackReport] = field(factory=dict)

    # Owner and mode of folders, and of files where somebody cared, by path.
    shapes: dict[str, str] = field(factory=dict)
    # The file systems, by mount point; all else is device 0.
    devices: dict[str, int] = field(factory=dict)
    target_problem: str | None = None
    sync_problem: str | None = None
    unpack_trouble: str = ""
    sync_trouble: str = ""
    load_trouble: str = ""
    # Where slapd's database lies, for those who ask for its LDIF; `ldif` is that otherwise.
    ldap_file: str | None = None

    # What folders lie on, in so far as snapshots can be had; and what goes wrong with those, by what they are of.
    grounds: dict[str, Ground] = field(factory=dict)
    snapshot_trouble: dict[str, str] = field(factory=dict)
    snapshot_overflow: dict[str, str] = field(factory=dict)
    snapshot_stays: dict[str, str] = field(factory=dict)

    mounts: tuple[Mount, ...] = ()
    # What the engine has mounted, by container, beyond what Compose says.
    mounted: dict[str, tuple[Mount, ...]] = field(factory=dict)
    volume_settings: dict[str, str] = field(factory=dict)
    # What is not to be made of `boxes` and `depends`.
    services: dict[str, Service] = field(factory=dict)
    images: dict[str, str] = field(factory=dict)
    lacking_images: tuple[str, ...] = ()
    # What Compose would make of the files of a backup; the present project where that is None.
    future: ComposeProject | None = None
    future_trouble: str = ""
    create_trouble: str = ""
    created: list[tuple[str, ...]] = field(factory=list)
    # The state at each start of a container other than the database.
    started_with: list[State] = field(factory=list)
    # What no run may ever do, one line each time it was done.
    violations: list[str] = field(factory=list)
    # The containers that go on while a restore exchanges old and new: to stop one is a violation.
    may_run: frozenset[str] = frozenset()
    restore_journal: bytes | None = None
    kept: dict[str, bytes] = field(factory=dict)

    journal: bytes | None = None
    now: float = 0.0
    takes: dict[str, float] = field(factory=dict)
    said: list[tuple[str, str]] = field(factory=list)
    calls: list[str] = field(factory=list)
    hook: Hook | None = None
    shielded: bool = False

    @contextmanager
    def port(self, call: str) -> Iterator[None]:
        """Wrap one call of a port: it is counted, takes its time, and the hook sees both of its ends."""
        number = len(self.calls)
        self.calls.append(call)
        self._look("before", number, call)
        yield
        self.now += self.takes.get(call, 0.0)
        self._look("after", number, call)

    def _look(self, moment: str, number: int, call: str) -> None:
        if self.hook:
            self.hook(moment, number, call)

    def shield(self) -> None:
        """Take note that signals must not raise any more."""
        self.shielded = True

    def state(self) -> State:
        """Return what a run may change, as it is now."""
        return State(
            boxes=copy.deepcopy(self.boxes),
            maintenance=self.maintenance,
            files=dict(self.files),
            journal=self.journal,
            folders=frozenset(self.folders),
            links=dict(self.links),
            shapes=dict(self.shapes),
            database=self.database.state(),
            restore_journal=self.restore_journal,
            kept=dict(self.kept),
        )

    def restore(self, state: State) -> None:
        """Go back to ``state``: what is left where a run was killed at that moment."""
        self.boxes = copy.deepcopy(state.boxes)
        self.maintenance, self.files, self.journal = state.maintenance, dict(state.files), state.journal
        self.folders, self.links, self.shapes = set(state.folders), dict(state.links), dict(state.shapes)
        self.database.restore(state.database)
        self.restore_journal, self.kept = state.restore_journal, dict(state.kept)
        self.shielded = False

    def running(self) -> frozenset[str]:
        """Return the names of the containers that run."""
        return running(self.boxes)

    def secret(self) -> bytes | None:
        """Return what is in root's secret, or None where the container has none."""
        database = self.database
        if database.secret is not None:
            return database.secret.encode()
        return self.files.get(database.secret_file) if database.secret_file else None

    def lines(self, kind: str) -> list[str]:
        """Return what the reporter was told: ``section``, ``info``, ``warn`` or ``progress``."""
        return [text for said, text in self.said if said == kind]

    def add(self, path: str, content: bytes = b"") -> None:
        """Add a file and the folders above it."""
        self.files[path] = content
        self.add_folder(path.rpartition("/")[0])

    def add_folder(self, path: str) -> None:
        """Add a folder and those above it."""
        while path:
            self.folders.add(path)
            path = path.rpartition("/")[0]

    def is_folder(self, path: str) -> bool:
        """Whether ``path``, with its links resolved, is a folder."""
        return path in self.folders or path == "/"

    def below(self, folder: str) -> frozenset[str]:
        """Return the names of the entries of ``folder``."""
        entries = {path for path in (*self.files, *self.folders, *self.links) if is_below(path, folder)}
        return frozenset(path[len(folder.rstrip("/")) + 1 :].partition("/")[0] for path in entries)

    def device_of(self, path: str) -> int:
        """Return the file system that the folder ``path`` lies on."""
        points = [point for point in self.devices if is_within(path, point)]
        return self.devices[max(points, key=len)] if points else 0


def default_tables() -> dict[str, dict[str, bytes]]:
    """Return six small databases."""
    return {
        name: {"parent": b"INSERT INTO `parent` VALUES (1,'x');\n", "child": b"INSERT INTO `child` VALUES (1);\n"}
        for name in DATABASES
    }


def plain_host(**changes: Any) -> MemoryHost:
    """Return a host with every tier on a path of its own, all of it in order."""
    host = MemoryHost(**changes)
    mounts = {"DATA_MOUNT": "data", "ARCHIVE_MOUNT": "archive", "VMAIL_MOUNT": "vmail", "FILES_MOUNT": "files"}
    env = "".join(f"{key}=/mnt/{name}\n" for key, name in mounts.items())
    host.add(f"{ROOT}/.env", env.encode())
    host.add(f"{ROOT}/docker-compose.yml", b"services: {}\n")
    host.add(f"{ROOT}/install-logs/first.log", b"noise")
    host.add("/mnt/data/dbase/ibdata1", b"live")
    host.add("/mnt/data/ldap/data/data.mdb", b"live")
    host.add("/mnt/data/nginx/site.conf", b"server {}\n")
    host.add("/mnt/archive/2026/m1.gz", b"quarantined")
    host.add("/mnt/vmail/example.com/alice/cur/1", b"mail " * 1000)
    host.add("/mnt/files/data/alice/notes.md", b"# notes\n")
    host.add_folder(OUTPUT)
    host.volumes = {"dbase": "/mnt/data/dbase", "ldap": "/mnt/data/ldap", "vmail": "/mnt/vmail"}
    return host


def one_disk_host(**changes: Any) -> MemoryHost:
    """Return a host in the documented single-disk layout: all four keys name one path."""
    host = MemoryHost(**changes)
    keys = ("DATA_MOUNT", "ARCHIVE_MOUNT", "VMAIL_MOUNT", "FILES_MOUNT")
    host.add(f"{ROOT}/.env", "".join(f"{key}=/mnt/one\n" for key in keys).encode())
    host.add("/mnt/one/dbase/ibdata1", b"live")
    host.add("/mnt/one/ldap/data/data.mdb", b"live")
    host.add("/mnt/one/nginx/site.conf", b"server {}\n")
    host.add("/mnt/one/amavis/q1", b"quarantined")
    host.add("/mnt/one/dovecot/example.com/alice/cur/1", b"mail")
    host.add("/mnt/one/dovecot/logs/dovecot.log", b"log")
    host.add("/mnt/one/dovecot/sieve/default.sieve", b"keep;")
    host.add("/mnt/one/app/config.php", b"<?php")
    host.add("/mnt/one/redis/dump.rdb", b"redis")
    host.add_folder(OUTPUT)
    host.volumes = {"dbase": "/mnt/one/dbase"}
    return host
