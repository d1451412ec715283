"""Looking at the host before a restore: every fact that the gates and the plan rest on, and no change."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from attrs import evolve, field, frozen

from hermes_backup_core.domain.contents import Contents
from hermes_backup_core.domain.differences import is_remapped, uncovered
from hermes_backup_core.domain.env_file import with_values_of
from hermes_backup_core.domain.errors import HermesBackupError
from hermes_backup_core.domain.host import (
    DATABASE_CONTAINER,
    LDAP_CONTAINER,
    NEXTCLOUD_CONTAINER,
    ComposeProject,
    Room,
)
from hermes_backup_core.domain.paths import is_below, is_within, join
from hermes_backup_core.domain.restore_facts import Place, RestoreFacts, ServerFacts
from hermes_backup_core.domain.restore_plan import RestoreRequest
from hermes_backup_core.domain.scope import MOUNT_KEYS, Scope, Tier
from hermes_backup_core.domain.selection import TierSelection
from hermes_backup_core.domain.touched import brings_in_files
from hermes_backup_core.ports import Files, Stack
from hermes_backup_core.restore.directory_look import DirectoryLook, DirectoryUnknown
from hermes_backup_core.restore.ground import GroundLook
from hermes_backup_core.restore.outside import mount_over, outside
from hermes_backup_core.restore_ports import SchemaSwap, TierTarget, Trees
from hermes_backup_core.services.mariadb import MariaDB
from hermes_backup_core.services.nextcloud import Nextcloud
from hermes_backup_core.services.programs import missing_programs
from hermes_backup_core.survey.look import HostLook

_LDAP_PROGRAMS = ("slapadd", "slapcat")


@frozen
class RestoreSurvey:
    """Looks at one host. ``hostname`` is its name, and ``addresses`` gives this machine's own.

    ``keeps`` are paths that no restore touches, wherever they lie in a tier: the state folder, this tool itself.
    """

    root: str
    hostname: str
    stack: Stack
    files: Files
    trees: Trees
    target: TierTarget
    database: MariaDB
    schemas: SchemaSwap
    nextcloud: Nextcloud
    addresses: Callable[[], frozenset[str]]
    keeps: tuple[str, ...] = ()
    host: HostLook = field(init=False)

    @host.default
    def _host(self) -> HostLook:
        return HostLook(self.root, self.stack, self.files)

    def selections(self, tiers: tuple[Tier, ...]) -> dict[Tier, TierSelection]:
        """Return what this host's ``tiers`` own, links resolved."""
        project, _ = self.host.project()
        return {tier: self.host.tier(tier, project).selection for tier in tiers}

    def look(self, request: RestoreRequest, contents: Contents) -> RestoreFacts:
        """Return the facts that a restore of ``contents`` rests on."""
        project, project_problem = self.host.project()
        containers, engine_problem = ((), None) if project_problem else self.host.containers()
        facts = RestoreFacts(
            hostname=self.hostname,
            root=self.root,
            topology=self.host.topology,
            resolved=self.host.resolved(),
            places={},
            project=project,
            containers=containers,
            target_problem=self.target.problem(),
            stack_problem=project_problem or engine_problem,
            addresses=self.addresses(),
            env=self.host.env,
        )
        if not project_problem:
            facts = self._look_ahead(request, contents, facts)
        facts = self._look_at_places(request, contents.manifest.scope, facts)
        facts = self._look_at_stage(request, facts)
        return self._look_inside(request, contents, facts)

    def _look_ahead(self, request: RestoreRequest, contents: Contents, facts: RestoreFacts) -> RestoreFacts:
        """Return ``facts`` with what Compose would make of the backup's own files."""
        if Tier.CONFIG not in contents.manifest.scope.tiers:
            return facts
        missing = [name for name in ("docker-compose.yml", ".env") if name not in contents.files]
        if missing:
            return evolve(facts, future_problem=f"the backup's install root has no {' and no '.join(missing)}")
        try:
            env = contents.files[".env"]
            if is_remapped(request, contents.manifest, facts.topology):
                env = with_values_of(env, {key: self.host.env[key] for key in MOUNT_KEYS.values()})
            future = self.stack.configured_by(contents.files["docker-compose.yml"], env)
            lacking = () if facts.stack_problem else self.stack.lacking_images(future)
            unforeseen = self._unforeseen(contents, facts.project)
            return evolve(facts, future=future, unforeseen=unforeseen, lacking_images=lacking)
        except HermesBackupError as err:
            return evolve(facts, future_problem=str(err))

    def _unforeseen(self, contents: Contents, project: ComposeProject) -> frozenset[str]:
        """Return the services that Compose may make something else of when all of the backup's files are there."""
        try:
            present = self.files.read(join(self.root, "docker-compose.yml"))
        except OSError:
            return frozenset(project.services)
        brings_in = any(map(brings_in_files, (present, contents.files["docker-compose.yml"])))
        return frozenset(project.services) if brings_in else frozenset()

    def _look_at_places(self, request: RestoreRequest, scope: Scope, facts: RestoreFacts) -> RestoreFacts:
        ground = GroundLook(self.host, self.trees, self.keeps)
        sources = ground.sources(*filter(None, (facts.project, facts.future)), containers=facts.containers)
        places = {tier: ground.place(tier, facts.project, sources, request.path) for tier in scope.tiers}
        remarks = (remark for place in places.values() for remark in ground.remarks(place, request.path))
        mounts = self.host.mounts(facts.project, facts.containers)
        return evolve(facts, places=places, mounts=mounts, warnings=tuple(dict.fromkeys(remarks)))

    def _look_at_stage(self, request: RestoreRequest, facts: RestoreFacts) -> RestoreFacts:
        """Return ``facts`` with what is known of ``--stage-dir``."""
        folder = request.stage_dir
        if folder is None:
            return facts
        if problem := self._stage_problem(folder, facts.places):
            return evolve(facts, stage_problem=problem)
        room = self.files.room(folder)
        same = tuple(tier for tier, place in facts.places.items() if _lies_on(place, room))
        copies = len(same) < len(facts.places)
        problem = self.target.sync_problem() if copies else None
        return evolve(
            facts,
            stage_room=room,
            stage_on_tier=same,
            stage_problem=f"serves by copying, and {problem}" if problem else None,
        )

    def _stage_problem(self, folder: str, places: Mapping[Tier, Place]) -> str | None:
        if not self.files.is_folder(folder):
            return "does not exist or is no folder: create it, or mount its disk"
        if problem := self.files.output_problem(folder):
            return problem
        ways = self.files.ways(folder)
        for tier, place in places.items():
            root = place.found.selection.root
            if any(is_within(way, root) for way in ways):
                return f"lies inside the {tier.value} tier, which is restored: choose a folder on another disk"
            if any(is_below(root, way) for way in ways):
                return f"has the {tier.value} tier below it, which is restored: choose a folder on another disk"
        return None

    def _look_inside(self, request: RestoreRequest, contents: Contents, facts: RestoreFacts) -> RestoreFacts:
        """Return ``facts`` with what the services in the containers say."""
        scope = contents.manifest.scope
        if _serves(facts, DATABASE_CONTAINER):
            facts = self._ask_server(scope, facts)
        if Tier.NEXTCLOUD in scope.tiers and _serves(facts, NEXTCLOUD_CONTAINER):
            facts = evolve(facts, maintenance=self._maintenance())
        if not scope.has_dumps or not facts.project.name:
            return facts
        facts = evolve(facts, missing_tools=self._missing_tools(facts))
        # A restore that will be refused is told of its paths only.
        is_refused = bool(uncovered(request, contents.manifest, facts.topology))
        project = facts.future if facts.future and not is_refused else facts.project
        return self._look_for_directory(project, contents, facts)

    def _ask_server(self, scope: Scope, facts: RestoreFacts) -> RestoreFacts:
        try:
            fresh = self.database.is_fresh()
            build_no = None if fresh else self.database.build_no()
            server = ServerFacts(build_no, fresh, (), frozenset(), frozenset(), frozenset())
            return evolve(facts, server=self._all_of_server(server, facts) if scope.has_dumps else server)
        except HermesBackupError as err:
            return evolve(facts, server_problem=str(err))

    def _all_of_server(self, server: ServerFacts, facts: RestoreFacts) -> ServerFacts:
        return evolve(
            server,
            present=self.schemas.present(),
            charsets=self.database.charsets(),
            collations=self.database.collations(),
            engines=self.database.engines(),
            leftovers=self.schemas.leftovers(),
            room=self._server_room(facts.project),
        )

    def _server_room(self, project: ComposeProject) -> Room | None:
        """Return the room where the server keeps its tables, None where that is no folder of the host."""
        inside = self.database.data_folder()
        mount = mount_over(project, DATABASE_CONTAINER, inside)
        folder = outside(mount, inside) if mount and mount.source else ""
        return self.files.room(folder) if folder and self.files.is_folder(folder) else None

    def _missing_tools(self, facts: RestoreFacts) -> dict[str, tuple[str, ...]]:
        """Return the programs that the dumps need and that a running container lacks."""
        missing = {}
        if _serves(facts, DATABASE_CONTAINER):
            missing[DATABASE_CONTAINER] = self.database.missing_tools()
        if _serves(facts, LDAP_CONTAINER):
            missing[LDAP_CONTAINER] = missing_programs(self.stack, LDAP_CONTAINER, _LDAP_PROGRAMS)
        return {name: programs for name, programs in missing.items() if programs}

    def _look_for_directory(self, project: ComposeProject, contents: Contents, facts: RestoreFacts) -> RestoreFacts:
        try:
            found = DirectoryLook(self.files, project, facts.resolved.config, contents.files).look()
            return evolve(facts, directory=found)
        except DirectoryUnknown as err:
            return evolve(facts, directory_problem=str(err))
        except OSError as err:
            return evolve(facts, directory_problem=str(DirectoryUnknown(f"{err.strerror or err}: run this as root")))

    def _maintenance(self) -> bool | None:
        try:
            return self.nextcloud.in_maintenance()
        except HermesBackupError:
            return None


def _serves(facts: RestoreFacts, name: str) -> bool:
    container = facts.container(name)
    return container is not None and container.state == "running"


def _lies_on(place: Place, room: Room) -> bool:
    """Whether the root of ``place`` is on the file system that ``room`` is of."""
    found = place.rooms.get(place.found.selection.root)
    return found is not None and found.device == room.device
