"""A backup as data: what will be done, in order. A dry run prints it; a live run carries the same out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from attrs import evolve, frozen

from hermes_backup_core.domain.backup_steps import (
    Bracket,
    DropSnapshots,
    DumpDatabase,
    ExportAccounts,
    ExportDirectory,
    PackTier,
    Step,
    TakeSnapshots,
    WhileNextcloudInMaintenance,
    WhileServing,
    WhileStackStopped,
    flattened,
)
from hermes_backup_core.domain.host import (
    DATABASE_CONTAINER,
    LDAP_CONTAINER,
    ComposeProject,
    HostFacts,
)
from hermes_backup_core.domain.naming import BackupName
from hermes_backup_core.domain.scope import (
    DATABASES,
    Mode,
    Scope,
    Tier,
)
from hermes_backup_core.domain.snapshots import (
    Snapshot,
    SnapshotPlan,
    SnapshotPolicy,
    label,
    plan_snapshots,
)
from hermes_backup_core.domain.stopping import stop_lines
from hermes_backup_core.domain.topology import Topology
from hermes_backup_core.domain.touched import Footing, Reach, touched


@frozen
class BackupRequest:
    """What the operator asked for. ``output`` is the folder that ``-P`` names.

    ``touched_only``: a cold backup stops only the containers that write to what it reads.
    """

    scope: Scope
    output: str
    mode: Mode = Mode.HOT
    nextcloud_maintenance: bool = True
    touched_only: bool = False
    snapshot: SnapshotPolicy = SnapshotPolicy.NEVER


@frozen
class BackupPlan:
    """Everything that a backup will do. Made by `plan_backup` only."""

    request: BackupRequest
    name: BackupName
    build_no: str
    hostname: str
    topology: Topology
    project: ComposeProject
    steps: tuple[Step, ...]

    def describe(self) -> Iterator[str]:
        """Yield the plan as lines for people, indented where one step encloses others."""
        for step in self.steps:
            if isinstance(step, WhileStackStopped) and self.request.touched_only:
                yield from stop_lines(step.containers, step.going_on, step.reasons)
        yield from _described(self.steps, "")
        yield f"write the manifest, flush, and rename to {self.name.tarball}"

    @property
    def stopping(self) -> tuple[str, ...]:
        """The containers that run now and are stopped."""
        return tuple(name for step in self.steps if isinstance(step, WhileStackStopped) for name in step.containers)

    @property
    def going_on(self) -> tuple[str, ...]:
        """The containers that a cold backup lets go on; a hot one stops none."""
        return tuple(name for step in self.steps if isinstance(step, WhileStackStopped) for name in step.going_on)

    @property
    def content_bytes(self) -> int:
        """Bytes of the tiers' content that the run will read, as surveyed."""
        return sum(step.content_bytes for step in flattened(self.steps) if isinstance(step, PackTier))


def plan_backup(request: BackupRequest, facts: HostFacts, name: BackupName) -> BackupPlan:
    """Return the steps that carry ``request`` out on a host of ``facts``, which the checks have passed."""
    planned = snapshots_of(request, facts, name)
    tiers = {facts_of.tier: _packing(facts_of.tier, facts, planned) for facts_of in facts.tiers}
    steps = (
        _hot(request, tiers, planned.snapshots)
        if request.mode is Mode.HOT
        else _cold(request, facts, tiers, planned.snapshots)
    )
    return BackupPlan(
        request=request,
        name=name,
        build_no=facts.build_no or name.build,
        hostname=facts.hostname,
        topology=facts.topology,
        project=facts.project,
        steps=steps,
    )


def snapshots_of(request: BackupRequest, facts: HostFacts, name: BackupName) -> SnapshotPlan:
    """Return which snapshots a backup of ``request`` makes, and why tiers are in none."""
    if request.snapshot is SnapshotPolicy.NEVER:
        return SnapshotPlan()
    grounds = [(found.tier, found.selection, found.ground) for found in facts.tiers if found.is_folder]
    return plan_snapshots(grounds, label(facts.resolved.config, name.stamp))


def _hot(request: BackupRequest, tiers: dict[Tier, PackTier], snapshots: tuple[Snapshot, ...]) -> tuple[Step, ...]:
    """Nextcloud's database and files are taken together, and first, so that its users wait the least."""
    exports: tuple[Step, ...] = (ExportDirectory(), ExportAccounts()) if request.scope.has_dumps else ()
    dumps: tuple[Step, ...] = tuple(map(DumpDatabase, DATABASES)) if request.scope.has_dumps else ()
    if Tier.NEXTCLOUD not in tiers or not request.nextcloud_maintenance:
        return (*exports, *dumps, *_taking(snapshots), *_packed(tiers.values(), snapshots))
    together, others = _split(tiers, lambda step: step.tier is Tier.NEXTCLOUD and not step.selection.seen_at)
    frozen_out = (*dumps[-1:], *_taking(snapshots, (Tier.NEXTCLOUD,)), *together)
    nextcloud_first = sorted(others, key=lambda step: step.tier is not Tier.NEXTCLOUD)
    return (*exports, *dumps[:-1], WhileNextcloudInMaintenance(frozen_out), *_packed(nextcloud_first, snapshots))


def _cold(
    request: BackupRequest, facts: HostFacts, tiers: dict[Tier, PackTier], snapshots: tuple[Snapshot, ...]
) -> tuple[Step, ...]:
    running = tuple(container.name for container in facts.containers if container.runs)
    reasons = _touched(request, facts) if request.touched_only else {}
    others = tuple(found.name for found in facts.containers if request.touched_only and found.name not in reasons)
    dumping: tuple[Step, ...] = ()
    if request.scope.has_dumps:
        dumps: tuple[Step, ...] = (ExportDirectory(), ExportAccounts(), *map(DumpDatabase, DATABASES))
        dumping = (WhileServing((DATABASE_CONTAINER, LDAP_CONTAINER), dumps),)
    live, seen = _split(tiers, lambda step: not step.selection.seen_at)
    taking = _taking(snapshots, tuple(step.tier for step in seen))
    stopped = WhileStackStopped(
        containers=tuple(name for name in running if name not in others),
        steps=(*dumping, *taking, *live),
        untouched=others,
        going_on=tuple(name for name in running if name in others),
        reasons=reasons,
    )
    return (stopped, *_packed(seen, snapshots))


def _touched(request: BackupRequest, facts: HostFacts) -> dict[str, str]:
    """Return the containers that may write to what is read, each with the reason."""
    reach = Reach({found.tier: found.selections for found in facts.tiers}, request.scope.has_dumps)
    return touched(Footing(facts.project, facts.containers, facts.mounts), reach)


def _taking(snapshots: tuple[Snapshot, ...], now_or_never: tuple[Tier, ...] = ()) -> tuple[Step, ...]:
    if not snapshots:
        return ()
    served = {tier for snapshot in snapshots for tier in snapshot.tiers}
    return (TakeSnapshots(snapshots, tuple(tier for tier in now_or_never if tier in served)),)


def _packed(steps: Iterable[PackTier], snapshots: tuple[Snapshot, ...]) -> tuple[Step, ...]:
    """Return ``steps``, each of ``snapshots`` removed behind the last one that needs it."""
    waiting = {snapshot: set(snapshot.tiers) for snapshot in snapshots}
    packed: list[Step] = []
    for step in steps:
        packed.append(step)
        for tiers in waiting.values():
            tiers.discard(step.tier)
        if done := tuple(snapshot for snapshot, tiers in waiting.items() if not tiers):
            packed.append(DropSnapshots(done))
            waiting = {snapshot: tiers for snapshot, tiers in waiting.items() if tiers}
    return tuple(packed)


def _split(
    tiers: dict[Tier, PackTier], belongs: Callable[[PackTier], bool]
) -> tuple[tuple[PackTier, ...], tuple[PackTier, ...]]:
    """Return the steps that ``belongs`` is true of, and the others."""
    steps = tiers.values()
    return tuple(filter(belongs, steps)), tuple(step for step in steps if not belongs(step))


def _packing(tier: Tier, facts: HostFacts, planned: SnapshotPlan) -> PackTier:
    found = next(found for found in facts.tiers if found.tier is tier)
    selection = found.selection
    for snapshot in planned.snapshots:
        # It may lie in the tier itself: where others of the volume are packed live, or this one is after all.
        selection = selection.without(snapshot.place)
    selection = evolve(selection, seen_at=planned.places.get(tier))
    return PackTier(tier, selection, found.size.bytes, found.size.entries)


def _described(steps: tuple[Step, ...], indent: str) -> Iterator[str]:
    for step in steps:
        yield f"{indent}{step}"
        if isinstance(step, Bracket):
            yield from _described(step.steps, indent + "  ")
