"""What must hold before a backup does any work. Every check runs before there is a verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from attrs import frozen

from hermes_backup_core.domain.errors import Refused
from hermes_backup_core.domain.figures import size
from hermes_backup_core.domain.host import (
    DATABASE_CONTAINER,
    LDAP_CONTAINER,
    NEXTCLOUD_CONTAINER,
    HostFacts,
)
from hermes_backup_core.domain.naming import BackupName
from hermes_backup_core.domain.paths import is_within, join, shown
from hermes_backup_core.domain.plan import BackupRequest, snapshots_of
from hermes_backup_core.domain.scope import DATABASES, Mode, Tier
from hermes_backup_core.domain.snapshots import SnapshotPolicy
from hermes_backup_core.domain.tier_checks import label, tier_refusals, tier_unknown

# Packed size over content where no earlier backup tells better. At the low end of what is common: a backup
# that does not fit after all fails cleanly, while one that was refused for nothing is a backup too few.
_USUAL_RATIO = {Tier.CONFIG: 0.3, Tier.DATA: 0.2, Tier.ARCHIVE: 0.5, Tier.VMAIL: 0.5, Tier.NEXTCLOUD: 0.7}
_USUAL_DUMP_RATIO = 0.1

_INODES_NEEDED = 4


@frozen
class Verdict:
    """What the checks found: ``refusals`` stand in the way, ``warnings`` do not.

    ``unknown`` is what this user could not look at: it stands in the way of a run, not of a dry run.
    """

    refusals: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    def require(self) -> None:
        """Raise `Refused` with everything that stands in the way of a run, if anything does."""
        if self.refusals or self.unknown:
            raise Refused((*self.refusals, *self.unknown))

    def require_for_dry_run(self) -> None:
        """Raise `Refused` with every refusal, if there is one."""
        if self.refusals:
            raise Refused(self.refusals)


def check_backup(
    request: BackupRequest, facts: HostFacts, name: BackupName, ratios: Mapping[Tier, float] | None = None
) -> Verdict:
    """Return whether ``request`` can be carried out on a host of ``facts``.

    ``ratios`` are packed size over content as an earlier backup of each tier had it.
    """
    refusals = (
        *([facts.reader_problem] if facts.reader_problem else []),
        *facts.resolved.conflicts(),
        *(reason for tier in facts.tiers for reason in tier_refusals(tier)),
        *_output_refusals(facts, name),
        *_room_refusals(facts, estimate(facts, ratios or {})),
        *_service_refusals(request, facts),
        *_database_refusals(request, facts),
    )
    unfit = tuple(_not_in_a_snapshot(request, facts, name))
    required = request.snapshot is SnapshotPolicy.REQUIRED
    warnings = (*facts.warnings, *_warnings(request, facts))
    return Verdict(
        (*refusals, *(f"{text}: put that right, or leave --snapshot=require out" for text in unfit if required)),
        (*warnings, *(f"{text}; it is packed as it lies there" for text in unfit if not required)),
        tuple(_unknown(facts)),
    )


def estimate(facts: HostFacts, ratios: Mapping[Tier, float]) -> int:
    """Return about how many bytes the backup will take."""
    tiers = sum(found.size.bytes * ratios.get(found.tier, _USUAL_RATIO[found.tier]) for found in facts.tiers)
    dumps = sum((facts.databases or {}).get(database, 0) for database in DATABASES) * _USUAL_DUMP_RATIO
    return int(tiers + dumps)


def _output_refusals(facts: HostFacts, name: BackupName) -> Iterator[str]:
    output = facts.output
    if output.problem:
        yield f"-P {shown(output.path)} {output.problem}"
        return
    for found in facts.tiers:
        selection = found.selection
        if output.resolved in (selection.root, *(join(selection.root, folder) for folder in selection.folders)):
            yield (
                f"-P {shown(output.path)} is the {found.tier.value} tier itself, which would leave nothing to back "
                "up: choose a folder of its own for backups"
            )
    for taken in sorted({name.tarball, name.partial} & output.names):
        yield f"{taken} exists in {shown(output.path)} already: wait a second and run the backup again"


def _room_refusals(facts: HostFacts, needed: int) -> Iterator[str]:
    room, folder = facts.output.room, shown(facts.output.path)
    if facts.output.problem:
        return
    if room.free_bytes < needed:
        yield (
            f"not enough room in {folder}: the backup needs about {size(needed)} and {size(room.free_bytes)} are "
            f"free. Free {size(needed - room.free_bytes)} there, or choose another -P"
        )
    if room.free_inodes is not None and room.free_inodes < _INODES_NEEDED:
        yield f"no room in {folder} for another file ({room.free_inodes} inodes free): remove some files there"


def _service_refusals(request: BackupRequest, facts: HostFacts) -> Iterator[str]:
    if not request.scope.has_dumps or facts.stack_problem:
        return
    for service in (DATABASE_CONTAINER, LDAP_CONTAINER):
        container = facts.container(service)
        if container is None:
            yield f"container {service} does not exist: run `docker compose up -d {service}` in the install root"
        elif request.mode is Mode.HOT and container.state != "running":
            yield (
                f"container {service} is {container.state}, and a hot backup needs it running: "
                f"run `docker compose start {service}` in the install root"
            )


def _database_refusals(request: BackupRequest, facts: HostFacts) -> Iterator[str]:
    if not request.scope.has_dumps:
        return
    if facts.database_problem:
        yield facts.database_problem
    if facts.databases is not None and (missing := [name for name in DATABASES if name not in facts.databases]):
        yield (
            f"{DATABASE_CONTAINER} has no database {', '.join(missing)}: a backup without it could not be "
            "restored; find out where it went"
        )
    for container, programs in facts.missing_tools.items():
        yield (
            f"{', '.join(programs)} cannot be found in {container}: its image is not one that this backup can "
            "work with; go back to the image that Hermes ships"
        )


def _not_in_a_snapshot(request: BackupRequest, facts: HostFacts, name: BackupName) -> Iterator[str]:
    """Yield for each tier that no snapshot can be had of why that is, and what would help."""
    why = snapshots_of(request, facts, name).live
    for found in facts.tiers:
        if found.tier in why and not found.ground.unknown:
            yield f"{label(found)} cannot be packed from a snapshot, since {why[found.tier]}"


def _unknown(facts: HostFacts) -> Iterator[str]:
    if facts.stack_problem:
        yield facts.stack_problem
    for found in facts.tiers:
        yield from tier_unknown(found)
        if found.ground.unknown:
            yield f"{label(found)}: {found.ground.unknown}"


def _warnings(request: BackupRequest, facts: HostFacts) -> Iterator[str]:
    for found in facts.tiers:
        if is_within(facts.output.resolved, found.selection.root) and not facts.output.problem:
            yield (
                f"-P {shown(facts.output.path)} lies inside the {found.tier.value} tier; it is left out of the "
                "backup. A folder on another disk would be safer"
            )
    if facts.build_no is None and not request.scope.has_dumps:
        why = facts.database_problem or f"{DATABASE_CONTAINER} does not run"
        yield f"the build number cannot be read, so a restore will ask to be forced: {why}"
    for name in sorted(facts.output.names):
        if name.endswith(".partial") and BackupName.parse(name.removesuffix(".partial")):
            yield f"{name} in {shown(facts.output.path)} was left by another run: remove it if no backup is under way"
    if _wants_maintenance(request) and not facts.stack_problem and not facts.serves(NEXTCLOUD_CONTAINER):
        yield f"container {NEXTCLOUD_CONTAINER} does not run: its files are packed without maintenance mode"


def _wants_maintenance(request: BackupRequest) -> bool:
    return request.mode is Mode.HOT and request.nextcloud_maintenance and Tier.NEXTCLOUD in request.scope.tiers
