"""A restore as data: what will be done, in order. A dry run prints it; a live run carries the same out.

The steps fall into three phases. While STAGING the stack runs and nothing of the host is touched; during
the SWAP what it touches is down, for renames only; what SETTLES comes when all is up again. Every step can
be begun anew and taken back wherever it was broken off, so a run that ended anywhere can go on to the new
state or back to the old one.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

from attrs import field, frozen

from hermes_backup_core.domain.figures import size
from hermes_backup_core.domain.host import DATABASE_CONTAINER, LDAP_CONTAINER, NEXTCLOUD_CONTAINER
from hermes_backup_core.domain.paths import shown
from hermes_backup_core.domain.remap import Remap
from hermes_backup_core.domain.scope import LDAP_SUFFIX, Scope, Tier
from hermes_backup_core.domain.selection import TierSelection
from hermes_backup_core.domain.stopping import counted, stop_lines
from hermes_backup_core.domain.swap import Stage


@frozen
class RestoreRequest:
    """What the operator asked for. ``path`` is the backup's; ``stage_dir`` a folder on another disk, or None.

    ``remaps`` are the tiers that may go to another path than the backup's; with ``force_remap`` all of them may.
    With ``stop_all`` every container stops, and not only those that the restore touches.
    """

    path: str
    stage_dir: str | None = None
    force_remap: bool = False
    force_version: bool = False
    remaps: tuple[Remap, ...] = ()
    stop_all: bool = False


class Phase(Enum):
    """How far a restore is, as far as going back is concerned."""

    STAGE = "stage"
    SWAP = "swap"
    SETTLE = "settle"


@frozen
class TierPlan:
    """One tier to restore. All paths are absolute, with links resolved, but ``path``, which is the operator's.

    ``selection`` is what this host's tier owns, ``source`` what the tier owned on the backup's host (its root
    is the path there). ``excluded`` are names, as the archive has them, that stay out. ``pinned``, ``stays``
    and ``at_once`` are as in `Ground`. ``stages`` lie in the tier itself, or the one stage in ``--stage-dir``
    (then ``synced`` is true: the tier is brought in line by copying, and cannot be undone).
    ``entries`` and ``content_bytes`` are what will be unpacked.
    """

    tier: Tier
    path: str
    selection: TierSelection
    source: TierSelection
    stages: tuple[Stage, ...]
    excluded: tuple[str, ...] = ()
    pinned: frozenset[str] = frozenset()
    stays: frozenset[str] = frozenset()
    at_once: frozenset[str] = frozenset()
    entries: int = 0
    content_bytes: int = 0
    synced: bool = False

    def __str__(self) -> str:
        return (
            f"the {self.tier.value} tier at {shown(self.path)} ({self.entries:,} entries, {size(self.content_bytes)})"
        )


@frozen
class DirectoryPlan:
    """The LDAP directory to restore. ``folder`` is where slapd's files lie on the host, ``inside`` where slapd
    finds them, ``config`` is the host's folder of slapd's configuration, ``stage`` the hidden folder.

    ``config_inside`` is where the configuration is in the container. ``entries`` are those of the LDIF.
    """

    folder: str
    inside: str
    config: str
    config_inside: str
    stage: Stage
    entries: int


@frozen
class UnpackTier:
    """Unpack a tier's archive beside the tier."""

    plan: TierPlan
    phase = Phase.STAGE

    def __str__(self) -> str:
        where = ", ".join(shown(stage.folder) for stage in self.plan.stages)
        return f"unpack {self.plan.tier.member} to {where}, beside {self.plan}"


@frozen
class LoadDatabase:
    """Load one dump's tables and rows into a schema beside the live one."""

    database: str
    tables: int
    phase = Phase.STAGE

    def __str__(self) -> str:
        return f"load database {self.database} ({self.tables} tables) into a schema beside the live one"


@frozen
class LoadDirectory:
    """Load the LDIF into a folder beside slapd's own."""

    plan: DirectoryPlan
    phase = Phase.STAGE

    def __str__(self) -> str:
        return f"load {self.plan.entries:,} LDAP entries of {LDAP_SUFFIX} into {shown(self.plan.stage.folder)}"


@frozen
class StopStack:
    """Stop ``containers``, those of the ones that must not run meanwhile that run now."""

    containers: tuple[str, ...]
    phase = Phase.SWAP

    def __str__(self) -> str:
        names = ", ".join(self.containers) or "none"
        return f"stop {counted(len(self.containers))}: {names}"


@frozen
class ServeDatabase:
    """Start the database server alone."""

    phase = Phase.SWAP

    def __str__(self) -> str:
        return f"start {DATABASE_CONTAINER} alone"


@frozen
class KeepDatabases:
    """Keep aside what the swap of the databases destroys: views, triggers, routines, events; and the accounts."""

    databases: tuple[str, ...]
    phase = Phase.SWAP

    def __str__(self) -> str:
        return "keep the live databases' views, triggers, routines and events, and the accounts, for an undo"


@frozen
class SwapDatabases:
    """Exchange the live tables for the loaded ones, by renames."""

    databases: tuple[str, ...]
    phase = Phase.SWAP

    def __str__(self) -> str:
        return f"exchange the tables of {', '.join(self.databases)} for the loaded ones, by renames"


@frozen
class FitAccounts:
    """Make the server's accounts what the restored credential files say."""

    has_accounts: bool
    phase = Phase.SWAP

    def __str__(self) -> str:
        source = "those of the backup" if self.has_accounts else "the restored credential files"
        return f"make the database accounts fit {source}"


@frozen
class StopDatabase:
    """Stop the database server again."""

    phase = Phase.SWAP

    def __str__(self) -> str:
        return f"stop {DATABASE_CONTAINER}"


@frozen
class SwapDirectory:
    """Exchange slapd's files for the loaded ones, by renames."""

    plan: DirectoryPlan
    phase = Phase.SWAP

    def __str__(self) -> str:
        return f"exchange slapd's files in {shown(self.plan.folder)} for the loaded ones, by renames ({LDAP_CONTAINER})"


@frozen
class SwapTier:
    """Exchange a tier for its staged copy, by renames; or by copying, where it was staged on another disk."""

    plan: TierPlan
    phase = Phase.SWAP

    def __str__(self) -> str:
        if self.plan.synced:
            return f"bring {self.plan} in line with its staged copy, by rsync (this cannot be undone)"
        return f"exchange {self.plan} for its staged copy, by renames"


@frozen
class StartStack:
    """Start ``containers`` again, those that were stopped; with ``create`` as the restored files describe them."""

    containers: tuple[str, ...]
    create: bool
    phase = Phase.SWAP

    def __str__(self) -> str:
        how = ", as the restored Compose file describes them" if self.create else ""
        return f"start {counted(len(self.containers))} again{how}"


@frozen
class AwaitStack:
    """Wait until all that ran before runs and is healthy, the console answers, Nextcloud is out of maintenance."""

    containers: tuple[str, ...]
    end_maintenance: bool
    phase = Phase.SETTLE

    def __str__(self) -> str:
        occ = f", end Nextcloud's maintenance mode (occ in {NEXTCLOUD_CONTAINER})" if self.end_maintenance else ""
        return f"wait until every container is healthy and the console answers{occ}"


@frozen
class DropKept:
    """Remove what was there before; from here on nothing can be undone."""

    phase = Phase.SETTLE

    def __str__(self) -> str:
        return "remove what was kept of the old state"


RestoreStep = (
    UnpackTier
    | LoadDatabase
    | LoadDirectory
    | StopStack
    | ServeDatabase
    | KeepDatabases
    | SwapDatabases
    | FitAccounts
    | StopDatabase
    | SwapDirectory
    | SwapTier
    | StartStack
    | AwaitStack
    | DropKept
)


@frozen
class RestorePlan:
    """Everything that a restore will do. Made by `plan_restore` only, out of a proven backup.

    ``build_no``, ``hostname`` and ``timestamp`` are those of the backup. ``tables`` tells how many tables each
    dump holds; it is empty where the scope has no databases. ``running`` are the containers that run now.
    ``untouched`` are those, running or not, that may run while old and new are exchanged; ``reasons`` tell of
    others why they may not.
    ``keep_mounts`` whether this host's four mount values stay in the restored `.env`, ``maintenance`` whether
    Nextcloud was in maintenance mode before, and stays so. ``checklist`` is what is to be done by hand afterwards.
    """

    request: RestoreRequest
    root: str
    scope: Scope
    build_no: str
    hostname: str
    timestamp: str
    tiers: tuple[TierPlan, ...]
    tables: dict[str, int]
    directory: DirectoryPlan | None
    running: tuple[str, ...]
    has_accounts: bool = False
    keep_mounts: bool = False
    maintenance: bool = False
    checklist: tuple[str, ...] = ()
    # A journal of an earlier version knows neither of these two: there, all stop.
    untouched: tuple[str, ...] = ()
    reasons: dict[str, str] = field(factory=dict)

    @property
    def stopping(self) -> tuple[str, ...]:
        """The containers that run now and are stopped."""
        return tuple(name for name in self.running if name not in self.untouched)

    @property
    def going_on(self) -> tuple[str, ...]:
        """The containers that run now and go on."""
        return tuple(name for name in self.running if name in self.untouched)

    @property
    def restores_config(self) -> bool:
        """Whether the install root, with Compose's file and `.env`, is restored."""
        return Tier.CONFIG in self.scope.tiers

    @property
    def steps(self) -> tuple[RestoreStep, ...]:
        """What is done, in order."""
        return (*self._staging(), *self._swapping(), *self._settling())

    def describe(self) -> Iterator[str]:
        """Yield the plan as lines for people."""
        yield from stop_lines(self.stopping, self.going_on, self.reasons)
        titles = {
            Phase.STAGE: "while mail flows:",
            Phase.SWAP: self.down_title,
            Phase.SETTLE: "with the stack up again:",
        }
        phase = None
        for step in self.steps:
            if step.phase is not phase:
                phase = step.phase
                yield titles[phase]
            yield f"  {step}"

    @property
    def down_title(self) -> str:
        """What is down while old and new are exchanged, as a heading."""
        return f"with {counted(len(self.stopping))} stopped:" if self.going_on else "with the stack down:"

    def _staging(self) -> Iterator[RestoreStep]:
        yield from map(UnpackTier, self.tiers)
        yield from (LoadDatabase(database, count) for database, count in self.tables.items())
        if self.directory:
            yield LoadDirectory(self.directory)

    def _swapping(self) -> Iterator[RestoreStep]:
        yield StopStack(self.stopping)
        if self.tables:
            databases = tuple(self.tables)
            yield ServeDatabase()
            yield KeepDatabases(databases)
            yield SwapDatabases(databases)
            yield FitAccounts(self.has_accounts)
            yield StopDatabase()
        if self.directory:
            yield SwapDirectory(self.directory)
        # What is copied cannot be taken back, so it comes when nothing else can go wrong any more.
        yield from map(SwapTier, sorted(self.tiers, key=lambda plan: plan.synced))
        yield StartStack(self.stopping, self.restores_config)

    def _settling(self) -> Iterator[RestoreStep]:
        yield AwaitStack(self.running, Tier.NEXTCLOUD in self.scope.tiers and not self.maintenance)
        yield DropKept()
