"""Facts about a host, as a survey found them: containers, Compose's volumes, tiers, room."""

from __future__ import annotations

from enum import Enum

from attrs import evolve, field, frozen

from hermes_backup_core.domain.scope import Tier
from hermes_backup_core.domain.selection import TierSelection
from hermes_backup_core.domain.snapshots import Ground
from hermes_backup_core.domain.topology import Topology

DATABASE_CONTAINER = "hermes_db_server"
LDAP_CONTAINER = "hermes_ldap"
MAIL_CONTAINER = "hermes_postfix_dkim"
NEXTCLOUD_CONTAINER = "hermes_nextcloud"
CONSOLE_CONTAINER = "hermes_commandbox"

STOP_SECONDS = 120
"""How long MariaDB may take to write its pages out before the engine kills it."""

GRACE_SECONDS = 30
"""How long any other container gets whose Compose file sets nothing: one that heeds no SIGTERM takes all of it."""


@frozen
class Dependency:
    """A container that another one waits for at its start; ``healthy`` where it must also be healthy."""

    name: str
    healthy: bool = False


class Kind(Enum):
    """What a service mounts: a folder or file of the host by its path, or a named volume."""

    BIND = "bind"
    VOLUME = "volume"


@frozen
class Mount:
    """What ``service`` mounts at ``target``. ``source`` is a path of the host, empty where the engine keeps it."""

    service: str
    kind: Kind
    source: str
    target: str
    read_only: bool = False


@frozen
class Container:
    """A container of the stack. The five that this tool talks to are called like their Compose services.

    ``state`` is the engine's word: running, restarting, paused, exited, created, dead.
    ``stop_seconds`` is the grace period that its Compose file sets, or None. ``service`` is that of its Compose
    file, its name where that is empty. ``mounts`` are what the engine has mounted for it.
    """

    name: str
    state: str
    exit_code: int = 0
    health: str | None = None
    depends_on: tuple[Dependency, ...] = ()
    stop_seconds: int | None = None
    service: str = ""
    mounts: tuple[Mount, ...] = ()

    @property
    def runs(self) -> bool:
        """Whether its processes run now, or will at once because the engine restarts it."""
        return self.state in ("running", "restarting")

    @property
    def patience(self) -> int:
        """Seconds that a stop gives it: what its file sets, and never too few for a database."""
        if self.name in (DATABASE_CONTAINER, LDAP_CONTAINER):
            return max(STOP_SECONDS, self.stop_seconds or 0)
        return GRACE_SECONDS if self.stop_seconds is None else self.stop_seconds


@frozen
class MountOnHost:
    """A mount of ``service`` as it lies on the host: ``ways`` are all paths to its source, links resolved.

    ``is_file`` where the source is a regular file.
    """

    service: str
    ways: tuple[str, ...]
    read_only: bool = False
    is_file: bool = False


@frozen
class Service:
    """A service of Compose's resolved configuration.

    ``needs`` are the services and containers that it is started after or lives in; ``mentions`` the services that
    its definition names in any other way (an environment value, a command); ``digest`` tells whether two definitions
    are the same, networks, volumes, secrets and configs with them.
    """

    needs: frozenset[str] = frozenset()
    mentions: frozenset[str] = frozenset()
    digest: str = ""


@frozen
class ComposeProject:
    """What Compose makes of the install root: the project's name, and its volumes' folders on the host.

    ``volume_settings`` are all that Compose compares with a volume that is there (driver, options), as JSON;
    ``images`` are what the services run, by service. ``services`` are those that no profile leaves out.
    """

    name: str
    volumes: dict[str, str]
    volume_settings: dict[str, str] = field(factory=dict)
    mounts: tuple[Mount, ...] = ()
    images: dict[str, str] = field(factory=dict)
    services: dict[str, Service] = field(factory=dict)


@frozen
class TierSize:
    """What a tier holds now. ``bytes`` counts holes and hard links once; ``entries`` are names."""

    bytes: int
    entries: int


@frozen
class Room:
    """What a file system has left. ``free_inodes`` is None where it has no fixed number of them.

    ``device`` tells file systems apart.
    """

    free_bytes: int
    free_inodes: int | None
    device: int = 0


@frozen
class TierFacts:
    """One tier as it lies on the host. ``path`` is the operator's, ``selection`` has links resolved.

    ``missing`` are the folders that Compose's volumes need below it and that are not there; ``linked_away``
    those that are links to a folder outside the tier, which its backup would not hold, with that folder;
    ``unmounted`` the mount points that `/etc/fstab` names for it and that nothing is mounted on. What a
    tier that is not ``is_readable`` holds is unknown: only root may look. ``ways`` are other paths to its
    root, by mounts that show the same. ``ground`` is what snapshots can be made of, where they were asked for.
    """

    tier: Tier
    path: str
    selection: TierSelection
    is_folder: bool
    is_empty: bool
    is_readable: bool = True
    missing: tuple[str, ...] = ()
    linked_away: tuple[tuple[str, str], ...] = ()
    unmounted: tuple[str, ...] = ()
    size: TierSize = TierSize(0, 0)
    ways: tuple[str, ...] = ()
    ground: Ground = field(default=Ground())

    @property
    def selections(self) -> tuple[TierSelection, ...]:
        """What the tier owns, by every way to it."""
        return (self.selection, *(evolve(self.selection, root=way) for way in self.ways))


@frozen
class OutputFacts:
    """The folder that ``-P`` names. ``resolved`` has links resolved; ``names`` are the entries in it."""

    path: str
    resolved: str
    problem: str | None
    room: Room
    names: frozenset[str]


@frozen
class HostFacts:
    """Everything about the host that a plan rests on.

    ``build_no`` is None where the database could not be asked, and ``database_problem`` says why.
    ``databases`` are those on the server with their bytes, None where they were not asked for;
    ``missing_tools`` are the programs that a container lacks, by container. ``stack_problem`` says why the
    containers could not be looked at, and ``reader_problem`` why no tier could be read. ``mounts`` are those of
    every service and container.
    """

    hostname: str
    topology: Topology
    resolved: Topology
    tiers: tuple[TierFacts, ...]
    output: OutputFacts
    project: ComposeProject
    containers: tuple[Container, ...]
    build_no: str | None
    database_problem: str | None = None
    databases: dict[str, int] | None = None
    missing_tools: dict[str, tuple[str, ...]] = field(factory=dict)
    warnings: tuple[str, ...] = ()
    stack_problem: str | None = None
    reader_problem: str | None = None
    mounts: tuple[MountOnHost, ...] = ()

    def container(self, name: str) -> Container | None:
        """Return the container called ``name``, or None."""
        return next((container for container in self.containers if container.name == name), None)

    def serves(self, name: str) -> bool:
        """Whether the container called ``name`` is there, and programs can be run in it."""
        container = self.container(name)
        return container is not None and container.state == "running"
