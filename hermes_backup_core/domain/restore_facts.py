"""Facts about a host that a restore rests on."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from hermes_backup_core.domain.host import ComposeProject, Container, MountOnHost, Room, TierFacts
from hermes_backup_core.domain.scope import Tier
from hermes_backup_core.domain.topology import Topology


@frozen
class Place:
    """What a restore must know of the ground of one tier; paths are absolute, with links resolved.

    ``pinned`` are the folders at or below it that something is mounted on or from, ``mount_points`` those of
    file systems of their own, ``stays`` the paths that are left as they are, ``hidden`` what an earlier
    restore that nobody remembers left there. ``rooms`` has the room at the tier's root and at each mount point.
    """

    found: TierFacts
    pinned: frozenset[str] = frozenset()
    mount_points: tuple[str, ...] = ()
    stays: frozenset[str] = frozenset()
    hidden: tuple[str, ...] = ()
    rooms: Mapping[str, Room] = field(factory=dict)


@frozen
class ServerFacts:
    """What the database server says. ``build_no`` is None where it has none; ``is_fresh``: it never had one."""

    build_no: str | None
    is_fresh: bool
    present: tuple[str, ...]
    charsets: frozenset[str]
    collations: frozenset[str]
    engines: frozenset[str]
    leftovers: tuple[str, ...] = ()
    room: Room | None = None


@frozen
class DirectoryFacts:
    """Where slapd's files and its configuration lie: on the host, and ``…_inside`` its container."""

    folder: str
    inside: str
    config: str
    config_inside: str
    room: Room


@frozen
class RestoreFacts:
    """Everything about the host that the gates and the plan of a restore rest on.

    ``server`` is None where the database could not be asked, and ``server_problem`` says why; likewise
    ``directory``. ``future`` is what Compose would make of the install root with the backup's files in it,
    None where the scope has no config tier or Compose refuses them (``future_problem``). ``stack_problem``
    says why the containers could not be looked at. ``addresses`` are this machine's own. ``stage_room`` is
    that of ``--stage-dir``; ``stage_problem`` why that folder will not do. ``maintenance`` is whether
    Nextcloud is in maintenance mode now, None where it cannot be asked. ``env`` is this host's `.env`. ``mounts``
    are those of every service and container, ``unforeseen`` the services of which ``future`` may not tell all.
    """

    hostname: str
    root: str
    topology: Topology
    resolved: Topology
    places: Mapping[Tier, Place]
    project: ComposeProject
    containers: tuple[Container, ...]
    server: ServerFacts | None = None
    server_problem: str | None = None
    directory: DirectoryFacts | None = None
    directory_problem: str | None = None
    future: ComposeProject | None = None
    future_problem: str | None = None
    lacking_images: tuple[str, ...] = ()
    missing_tools: Mapping[str, tuple[str, ...]] = field(factory=dict)
    target_problem: str | None = None
    stack_problem: str | None = None
    stage_room: Room | None = None
    stage_problem: str | None = None
    stage_on_tier: tuple[Tier, ...] = ()
    maintenance: bool | None = None
    addresses: frozenset[str] = frozenset()
    env: Mapping[str, str] = field(factory=dict)
    warnings: tuple[str, ...] = ()
    mounts: tuple[MountOnHost, ...] = ()
    unforeseen: frozenset[str] = frozenset()

    def container(self, name: str) -> Container | None:
        """Return the container called ``name``, or None."""
        return next((container for container in self.containers if container.name == name), None)
