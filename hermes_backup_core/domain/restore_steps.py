"""What a restore does, step by step, as data.

The steps fall into three phases. While STAGING the stack runs and nothing of the host is touched; during
the SWAP what it touches is down, for renames only; what SETTLES comes when all is up again. Every step can be
begun anew and taken back wherever it was broken off, so a run that ended anywhere can go on to the new state or
back to the old one.
"""

from __future__ import annotations

from enum import Enum

from attrs import frozen

from hermes_backup_core.domain.figures import size
from hermes_backup_core.domain.host import DATABASE_CONTAINER, LDAP_CONTAINER, NEXTCLOUD_CONTAINER
from hermes_backup_core.domain.paths import shown
from hermes_backup_core.domain.scope import LDAP_SUFFIX, Tier
from hermes_backup_core.domain.selection import TierSelection
from hermes_backup_core.domain.stopping import counted
from hermes_backup_core.domain.swap import Stage


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
