"""Looking at the host before a backup: every fact that the checks and the plan rest on, and no change."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from attrs import evolve, field, frozen

from hermes_backup_core.archive.reader import BackupReader
from hermes_backup_core.domain.env_file import read_env
from hermes_backup_core.domain.errors import HermesBackupError, Refused, StackUnreachable
from hermes_backup_core.domain.host import (
    DATABASE_CONTAINER,
    LDAP_CONTAINER,
    ComposeProject,
    Container,
    HostFacts,
    OutputFacts,
    Room,
    TierFacts,
)
from hermes_backup_core.domain.manifest import Manifest
from hermes_backup_core.domain.naming import BackupName
from hermes_backup_core.domain.paths import is_below, is_within, join, normalised, relative, shown
from hermes_backup_core.domain.plan import BackupRequest
from hermes_backup_core.domain.scope import Tier
from hermes_backup_core.domain.selection import TierSelection
from hermes_backup_core.domain.topology import Topology
from hermes_backup_core.ports import Files, Stack, TierSource
from hermes_backup_core.services.ldap import Directory
from hermes_backup_core.services.mariadb import MariaDB


def read_topology(root: str, files: Files) -> Topology:
    """Return where the tiers of the install root ``root`` lie, as its `.env` says.

    Raises `Refused` where `.env` cannot be read, or a path in it cannot be a tier's.
    """
    path = posixpath.join(root, ".env")
    try:
        env = read_env(files.read(path))
    except OSError as err:
        raise Refused((f"{path} cannot be read ({err.strerror}): is {root} the install root?",)) from err
    return Topology.from_env(root, env)


@frozen
class Survey:
    """Looks at one host. ``hostname`` is what backups made here say of their origin."""

    root: str
    hostname: str
    stack: Stack
    files: Files
    tiers: TierSource
    database: MariaDB
    directory: Directory
    topology: Topology = field()

    @topology.default
    def _read_topology(self) -> Topology:
        return read_topology(self.root, self.files)

    def look(self, request: BackupRequest) -> HostFacts:
        """Return the facts that a backup of ``request`` rests on."""
        project, containers, stack_problem = self._stack()
        resolved = self.topology.map(self.files.resolve)
        output = self._output(request.output, resolved)
        facts = HostFacts(
            hostname=self.hostname,
            topology=self.topology,
            resolved=resolved,
            tiers=tuple(self._tier(tier, resolved, project, output) for tier in request.scope.tiers),
            output=output,
            project=project,
            containers=containers,
            build_no=None,
            warnings=tuple(self._unclaimed(resolved)),
            stack_problem=stack_problem,
            reader_problem=self.tiers.problem(),
        )
        facts = self._look_for_tools(request, facts)
        return facts if DATABASE_CONTAINER in facts.missing_tools else self._ask_database(request, facts)

    def ratios(self, output: OutputFacts) -> dict[Tier, float]:
        """Return packed size over content, by tier, as the newest backups in ``output`` had it."""
        found: dict[Tier, float] = {}
        names = sorted(filter(None, map(BackupName.parse, output.names)), key=lambda name: name.stamp)
        for name in reversed(names):
            if any(tier not in found for tier in name.scope.tiers):
                manifest = _manifest_or_none(posixpath.join(output.path, name.tarball))
                found = {**(_ratios(manifest) if manifest else {}), **found}
        return found

    def _stack(self) -> tuple[ComposeProject, tuple[Container, ...], str | None]:
        """Return the project and its containers, and why they cannot be looked at where they cannot."""
        project = ComposeProject("", {})
        try:
            project = self.stack.project()
            return project, self.stack.containers(), None
        except StackUnreachable as err:
            return project, (), str(err)

    def _names(self, folder: str) -> frozenset[str] | None:
        """Return what lies in ``folder``, or None where this user may not look (which root always may)."""
        try:
            return self.files.names(folder)
        except PermissionError:
            return None

    def _output(self, path: str, topology: Topology) -> OutputFacts:
        problem = None if self.files.is_folder(path) else "does not exist or is no folder: create it, or mount its disk"
        problem = problem or self.files.output_problem(path)
        if problem:
            return OutputFacts(path, self.files.resolve(path), problem, Room(0, None), frozenset())
        names = self._names(path) or frozenset()
        return OutputFacts(path, self._place(path, topology), None, self.files.room(path), names)

    def _place(self, path: str, topology: Topology) -> str:
        """Return where the folder ``path`` lies: inside a tier, where any way to it leads through one."""
        ways = self.files.ways(path)
        return next((way for way in ways if any(is_within(way, topology.path(tier)) for tier in Tier)), ways[0])

    def _tier(self, tier: Tier, resolved: Topology, project: ComposeProject, output: OutputFacts) -> TierFacts:
        path = resolved.path(tier)
        if not self.files.is_folder(path):
            nothing = resolved.select(tier)
            return TierFacts(tier, self.topology.path(tier), nothing, is_folder=False, is_empty=True)
        names = self._names(path)
        if names is None:
            nothing = resolved.select(tier)
            return TierFacts(tier, self.topology.path(tier), nothing, is_folder=True, is_empty=False, is_readable=False)
        devices = tuple(self.files.resolve(device) for device in project.volumes.values())
        selection = resolved.select(tier, self._live_folders(tier, path, devices))
        if selection.holds(output.resolved):
            left_out = {*selection.left_out, relative(output.resolved, path)} - {""}
            selection = evolve(selection, left_out=tuple(sorted(left_out)))
        return TierFacts(
            tier=tier,
            path=self.topology.path(tier),
            selection=selection,
            is_folder=True,
            is_empty=not names,
            missing=tuple(self._missing(tier, resolved, devices)),
            linked_away=tuple(self._linked_away(tier, resolved, project, selection)),
            unmounted=self.files.unmounted(path),
            size=self.files.measure(selection),
        )

    def _missing(self, tier: Tier, resolved: Topology, devices: tuple[str, ...]) -> Iterator[str]:
        """Yield the folders that a volume of ``tier`` is bound to, or that the tier is, and that are not there."""
        needed = {device for device in devices if resolved.owner(device) is tier}
        needed |= set(resolved.folders(tier)[:1])
        yield from sorted(folder for folder in needed if not self.files.is_folder(folder))

    def _linked_away(
        self, tier: Tier, resolved: Topology, project: ComposeProject, selection: TierSelection
    ) -> Iterator[tuple[str, str]]:
        """Yield the folders of ``tier`` that lie elsewhere by way of a link, each with where that is."""
        below = self.topology.path(tier)
        devices = {normalised(device) for device in project.volumes.values()}
        places = {join(resolved.path(tier), relative(device, below)) for device in devices if is_below(device, below)}
        for place in sorted({*places, *resolved.folders(tier)}):
            target = self.files.resolve(place)
            if selection.holds(place) and resolved.owner(target) is not tier:
                yield place, target

    def _live_folders(self, tier: Tier, path: str, devices: tuple[str, ...]) -> tuple[str, ...]:
        """Return the folders of the data tier that MariaDB's or slapd's files lie in, wherever a host has them."""
        if tier is not Tier.DATA:
            return ()
        candidates = {*(device for device in devices if is_below(device, path)), join(path, "ldap")}
        return tuple(sorted(folder for folder in candidates if self._is_live(folder)))

    def _is_live(self, folder: str) -> bool:
        if not self.files.is_folder(folder):
            return False
        return any(name == "ibdata1" or name.endswith(".mdb") for name in self._names(folder) or ())

    def _ask_database(self, request: BackupRequest, facts: HostFacts) -> HostFacts:
        """Return ``facts`` with what the database says, where it runs."""
        if not facts.serves(DATABASE_CONTAINER):
            return facts
        try:
            databases = self.database.sizes() if request.scope.has_dumps else None
            build_no = None if databases and "hermes" not in databases else self.database.build_no()
            return evolve(facts, build_no=build_no, databases=databases)
        except HermesBackupError as err:
            return evolve(facts, database_problem=str(err))

    def _look_for_tools(self, request: BackupRequest, facts: HostFacts) -> HostFacts:
        """Return ``facts`` with the programs that the dumps need and that a running container lacks."""
        if not request.scope.has_dumps:
            return facts
        services = ((DATABASE_CONTAINER, self.database), (LDAP_CONTAINER, self.directory))
        missing = {name: service.missing_tools() for name, service in services if facts.serves(name)}
        return evolve(facts, missing_tools={name: programs for name, programs in missing.items() if programs})

    def _unclaimed(self, resolved: Topology) -> Iterator[str]:
        """Yield a warning for what lies on a shared path and belongs to no tier, since no backup holds it."""
        for path in sorted({resolved.path(tier) for tier in Tier if resolved.shares(tier)}):
            if not self.files.is_folder(path):
                continue
            owned = [folder for tier in Tier for folder in resolved.folders(tier)]
            strays = [name for name in sorted(self._names(path) or ()) if not _is_claimed(join(path, name), owned)]
            if strays:
                yield f"in no backup, because no tier owns it: {', '.join(map(shown, strays))} in {shown(path)}"


def _is_claimed(path: str, owned: list[str]) -> bool:
    return any(path == folder or is_below(path, folder) or is_below(folder, path) for folder in owned)


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
