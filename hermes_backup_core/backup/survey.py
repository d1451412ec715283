"""Looking at the host before a backup: every fact that the checks and the plan rest on, and no change."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from attrs import evolve, field, frozen

from hermes_backup_core.archive.reader import BackupReader
from hermes_backup_core.domain.errors import HermesBackupError
from hermes_backup_core.domain.host import (
    DATABASE_CONTAINER,
    LDAP_CONTAINER,
    HostFacts,
    OutputFacts,
    Room,
    TierFacts,
)
from hermes_backup_core.domain.manifest import Manifest
from hermes_backup_core.domain.naming import BackupName
from hermes_backup_core.domain.paths import is_within
from hermes_backup_core.domain.plan import BackupRequest
from hermes_backup_core.domain.scope import Scope, Tier
from hermes_backup_core.domain.snapshots import SnapshotPolicy
from hermes_backup_core.domain.topology import Topology
from hermes_backup_core.ports import Files, Snapshots, Stack, TierSource
from hermes_backup_core.services.ldap import Directory
from hermes_backup_core.services.mariadb import MariaDB
from hermes_backup_core.survey.background import in_background
from hermes_backup_core.survey.look import HostLook

_Result = TypeVar("_Result")


@frozen
class Survey:
    """Looks at one host. ``hostname`` is what backups made here say of their origin.

    With ``in_parallel`` the tiers, tar, Compose and the database are looked at side by side, as each takes its time.
    """

    root: str
    hostname: str
    stack: Stack
    files: Files
    tiers: TierSource
    database: MariaDB
    directory: Directory
    snapshots: Snapshots
    in_parallel: bool = False
    host: HostLook = field(init=False)

    @host.default
    def _host(self) -> HostLook:
        return HostLook(self.root, self.stack, self.files)

    @property
    def topology(self) -> Topology:
        """Where the tiers lie."""
        return self.host.topology

    def look(self, request: BackupRequest) -> HostFacts:
        """Return the facts that a backup of ``request`` rests on."""
        begun = in_background if self.in_parallel else _later
        reader_problem, build_no = begun(self.tiers.problem), begun(self.database.build_no)
        project, project_problem = self.host.project()
        output = self._output(request.output, self.host.resolved())
        tiers = tuple(self.host.tier(tier, project, output.resolved) for tier in request.scope.tiers)
        if request.snapshot is not SnapshotPolicy.NEVER:
            tiers = tuple(map(self._with_ground, tiers))
        sizes = begun(partial(self._sizes, tiers))
        containers, engine_problem = ((), None) if project_problem else self.host.containers()
        facts = HostFacts(
            hostname=self.hostname,
            topology=self.topology,
            resolved=self.host.resolved(),
            tiers=tiers,
            output=output,
            project=project,
            containers=containers,
            build_no=None,
            warnings=(*self.host.unclaimed(), *self._forgotten(request.scope)),
            stack_problem=project_problem or engine_problem,
            reader_problem=reader_problem(),
            mounts=self.host.mounts(project, containers),
        )
        facts = self._look_for_tools(request, facts)
        if DATABASE_CONTAINER not in facts.missing_tools:
            facts = self._ask_database(request, facts, build_no)
        return evolve(facts, tiers=sizes())

    def _forgotten(self, scope: Scope) -> tuple[str, ...]:
        """Return what is to be said of snapshots that lie in the tiers; those of tiers at one place once."""
        return tuple(dict.fromkeys(text for tier in scope.tiers for text in self.host.forgotten(tier)))

    def _with_ground(self, found: TierFacts) -> TierFacts:
        if not (found.is_folder and found.is_readable):
            return found
        return evolve(found, ground=self.snapshots.look(found.selection.root))

    def _sizes(self, tiers: tuple[TierFacts, ...]) -> tuple[TierFacts, ...]:
        """Return ``tiers`` with what each of them holds, where that can be looked at."""
        return tuple(
            evolve(found, size=self.files.measure(found.selection)) if found.is_folder and found.is_readable else found
            for found in tiers
        )

    def ratios(self, output: OutputFacts) -> dict[Tier, float]:
        """Return packed size over content, by tier, as the newest backups in ``output`` had it."""
        found: dict[Tier, float] = {}
        names = sorted(filter(None, map(BackupName.parse, output.names)), key=lambda name: name.stamp)
        for name in reversed(names):
            if any(tier not in found for tier in name.scope.tiers):
                manifest = _manifest_or_none(posixpath.join(output.path, name.tarball))
                found = {**(_ratios(manifest) if manifest else {}), **found}
        return found

    def _output(self, path: str, topology: Topology) -> OutputFacts:
        problem = None if self.files.is_folder(path) else "does not exist or is no folder: create it, or mount its disk"
        problem = problem or self.files.output_problem(path)
        if problem:
            return OutputFacts(path, self.files.resolve(path), problem, Room(0, None), frozenset())
        names = self.host.names(path) or frozenset()
        return OutputFacts(path, self._place(path, topology), None, self.files.room(path), names)

    def _place(self, path: str, topology: Topology) -> str:
        """Return where the folder ``path`` lies: inside a tier, where any way to it leads through one."""
        ways = self.files.ways(path)
        return next((way for way in ways if any(is_within(way, topology.path(tier)) for tier in Tier)), ways[0])

    def _ask_database(self, request: BackupRequest, facts: HostFacts, build_no: Callable[[], str | None]) -> HostFacts:
        """Return ``facts`` with what the database says, where it runs."""
        if not facts.serves(DATABASE_CONTAINER):
            return facts
        try:
            databases = self.database.sizes() if request.scope.has_dumps else None
            told = None if databases and "hermes" not in databases else build_no()
            return evolve(facts, build_no=told, databases=databases)
        except HermesBackupError as err:
            return evolve(facts, database_problem=str(err))

    def _look_for_tools(self, request: BackupRequest, facts: HostFacts) -> HostFacts:
        """Return ``facts`` with the programs that the dumps need and that a running container lacks."""
        if not request.scope.has_dumps:
            return facts
        services = ((DATABASE_CONTAINER, self.database), (LDAP_CONTAINER, self.directory))
        missing = {name: service.missing_tools() for name, service in services if facts.serves(name)}
        return evolve(facts, missing_tools={name: programs for name, programs in missing.items() if programs})


def _later(work: Callable[[], _Result]) -> Callable[[], _Result]:
    return work


def _manifest_or_none(path: str) -> Manifest | None:
    """Return the manifest of an earlier backup; one that is damaged has nothing to tell here."""
    try:
        with BackupReader(path) as reader:
            return Manifest.parse(reader.manifest_bytes())
    except (HermesBackupError, OSError):
        return None


def _ratios(manifest: Manifest) -> dict[Tier, float]:
    entries = {tier: manifest.archives[tier.member] for tier in manifest.scope.tiers}
    return {tier: entry.size_bytes / entry.content_bytes for tier, entry in entries.items() if entry.content_bytes}
