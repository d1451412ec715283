"""A restore as data: what will be done, in order. A dry run prints it; a live run carries the same out."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import field, frozen

from hermes_backup_core.domain.remap import Remap
from hermes_backup_core.domain.restore_steps import (
    AwaitStack,
    DirectoryPlan,
    DropKept,
    FitAccounts,
    KeepDatabases,
    LoadDatabase,
    LoadDirectory,
    Phase,
    RestoreStep,
    ServeDatabase,
    StartStack,
    StopDatabase,
    StopStack,
    SwapDatabases,
    SwapDirectory,
    SwapTier,
    TierPlan,
    UnpackTier,
)
from hermes_backup_core.domain.scope import Scope, Tier
from hermes_backup_core.domain.stopping import counted, stop_lines


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
