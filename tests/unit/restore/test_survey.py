"""Looking at the host before a restore: what is found, in every state, and that nothing stops the looking."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import Any

import pytest
from attrs import evolve

from hermes_backup_core.domain.contents import Contents
from hermes_backup_core.domain.errors import CommandFailed, EngineUnreachable
from hermes_backup_core.domain.host import ComposeProject, Kind, Mount, MountOnHost, Room
from hermes_backup_core.domain.manifest import Manifest
from hermes_backup_core.domain.remap import Remap
from hermes_backup_core.domain.restore_facts import RestoreFacts
from hermes_backup_core.domain.restore_plan import RestoreRequest
from hermes_backup_core.domain.scope import DATABASES, Mode, Scope, Tier
from hermes_backup_core.domain.topology import Topology
from hermes_backup_core.restore.survey import RestoreSurvey
from hermes_backup_core.services.mariadb import MariaDB
from hermes_backup_core.services.nextcloud import Nextcloud
from tests.unit.fakes.files import MemoryFiles
from tests.unit.fakes.host import ROOT, Hook, MemoryHost
from tests.unit.fakes.schemas import MemorySchemas
from tests.unit.fakes.stack import MemoryStack
from tests.unit.fakes.target import MemoryTarget
from tests.unit.fakes.trees import MemoryTrees
from tests.unit.fakes.wiring import HOSTNAME, SLAPD_DATABASE
from tests.unit.fakes.wiring import restore_host as any_host

HERE = Topology(ROOT, "/mnt/data", "/mnt/archive", "/mnt/vmail", "/mnt/files")
ENV = b"DATA_MOUNT=/mnt/data/\r\nARCHIVE_MOUNT=/mnt/archive\r\nVMAIL_MOUNT=/mnt/vmail\r\nFILES_MOUNT=/mnt/files\r\n"
FILES = {".env": ENV, "docker-compose.yml": b"services: {}\n"}
REQUEST = RestoreRequest("/backups/hermes-backup-all-v260119-20260601T103000Z.tar")


class Configured(MemoryStack):
    """Tells with which `.env` Compose was asked."""

    asked: list[bytes] = []  # noqa: RUF012 - emptied by each look

    def configured_by(self, compose_file: bytes, env_file: bytes) -> ComposeProject:
        self.asked.append(env_file)
        return super().configured_by(compose_file, env_file)


def restore_host(**changes: Any) -> MemoryHost:
    """A host whose database a Hermes has used."""
    host = any_host(**changes)
    host.database.tables["hermes"]["system_settings"] = b""
    return host


def survey_of(host: MemoryHost) -> RestoreSurvey:
    stack = Configured(host)
    stack.asked.clear()
    return RestoreSurvey(
        root=ROOT,
        hostname=HOSTNAME,
        stack=stack,
        files=MemoryFiles(host),
        trees=MemoryTrees(host),
        target=MemoryTarget(host),
        database=MariaDB(stack),
        schemas=MemorySchemas(host),
        nextcloud=Nextcloud(stack),
        addresses=lambda: frozenset({"192.0.2.17"}),
        keeps=("/var/lib/hermes-backup",),
    )


def contents_of(scope: Scope = Scope.ALL, topology: Topology = HERE, **changes: Any) -> Contents:
    manifest = Manifest("v260119", scope, Mode.HOT, "20260601T103000Z", HOSTNAME, topology, {})
    return evolve(Contents(manifest, files=FILES), **changes)


def look(host: MemoryHost, contents: Contents | None = None, **request: Any) -> RestoreFacts:
    return survey_of(host).look(evolve(REQUEST, **request), contents or contents_of())


def raising(error: Exception, *calls: str) -> Hook:
    def hook(moment: str, number: int, call: str) -> None:
        if moment == "before" and call in calls:
            raise error

    return hook


@pytest.mark.parametrize("scope", Scope)
def test_a_host_in_order_has_a_place_for_each_tier_of_the_scope_and_no_trouble(scope: Scope) -> None:
    facts = look(restore_host(), contents_of(scope))
    assert tuple(facts.places) == scope.tiers
    problems = (facts.stack_problem, facts.server_problem, facts.directory_problem, facts.future_problem)
    assert {*problems, facts.target_problem, facts.stage_problem} == {None}
    assert (facts.hostname, facts.env["VMAIL_MOUNT"]) == (HOSTNAME, "/mnt/vmail")
    assert facts.addresses == {"192.0.2.17"}
    assert (facts.topology, facts.resolved, facts.project.name) == (HERE, HERE, "hermes")
    assert facts.server is not None
    assert facts.server.build_no == "v260119"
    assert (facts.directory is not None) == bool(facts.server.present) == scope.has_dumps
    assert (facts.future is not None) == (Tier.CONFIG in scope.tiers)
    assert (facts.maintenance is False) == (Tier.NEXTCLOUD in scope.tiers)
    assert (facts.missing_tools, facts.warnings, facts.lacking_images) == ({}, (), ())


def test_what_the_server_knows_is_told() -> None:
    host = restore_host()
    host.database.staged["hermes"] = {}
    host.add_folder("/mnt/data/dbase/databases")
    server = look(host).server
    assert server is not None
    assert (server.is_fresh, server.present) == (False, DATABASES)
    assert "utf8mb4" in server.charsets
    assert "utf8mb4_general_ci" in server.collations
    assert "InnoDB" in server.engines
    assert server.leftovers == ("hermes_restore_new_hermes",)
    assert server.room is not None


@pytest.mark.parametrize("mounted", [(), (Mount("hermes_db_server", Kind.VOLUME, "", "/config"),)])
def test_a_server_whose_files_are_no_folder_of_the_host_has_no_known_room(mounted: tuple[Mount, ...]) -> None:
    host = restore_host()
    host.mounts = (*(mount for mount in host.mounts if mount.service != "hermes_db_server"), *mounted)
    server = look(host).server
    assert server is not None
    assert server.room is None


def test_a_fresh_server_is_not_asked_for_a_build_number() -> None:
    host = restore_host()
    del host.database.tables["hermes"]
    server = look(host).server
    assert server is not None
    assert (server.is_fresh, server.build_no) == (True, None)


@pytest.mark.parametrize("state", ["exited", "paused"])
def test_a_server_that_does_not_serve_is_not_asked(state: str) -> None:
    host = restore_host()
    host.boxes["hermes_db_server"].state = state
    facts = look(host)
    assert (facts.server, facts.server_problem) == (None, None)
    assert not [name for name, *_ in host.executed if name == "hermes_db_server"]


def test_a_server_that_refuses_root_is_a_problem_with_its_words() -> None:
    host = restore_host()
    host.database.password = "not what the secret says"
    facts = look(host)
    assert facts.server is None
    assert "Access denied" in str(facts.server_problem)


def test_slapd_need_not_run() -> None:
    host = restore_host(lacking={"hermes_ldap": {"slapadd"}})
    host.boxes["hermes_ldap"].state = "exited"
    facts = look(host)
    assert facts.directory is not None
    assert facts.missing_tools == {}


def test_missing_programs_are_named_by_container() -> None:
    host = restore_host(lacking={"hermes_db_server": {"mariadb-dump"}, "hermes_ldap": {"slapadd", "slapcat"}})
    assert look(host).missing_tools["hermes_db_server"] == ("mariadb-dump",)
    assert "slapadd" in look(host).missing_tools["hermes_ldap"]
    assert look(host, contents_of(Scope.VMAIL)).missing_tools == {}


def test_a_directory_that_cannot_be_found_is_a_problem() -> None:
    host = restore_host()
    host.mounts = tuple(mount for mount in host.mounts if mount.service != "hermes_ldap")
    facts = look(host)
    assert facts.directory is None
    assert "nothing is mounted at /etc/ldap/slapd.d" in str(facts.directory_problem)


def test_a_directory_that_only_root_may_look_at_is_a_problem() -> None:
    host = restore_host()
    host.hook = raising(PermissionError(errno.EACCES, "Permission denied"), "files.names")
    assert "Permission denied: run this as root" in str(look(host).directory_problem)


def test_the_directory_is_looked_for_where_the_restored_compose_file_has_it() -> None:
    host = restore_host()
    host.add_folder("/mnt/data/openldap")
    ldap = next(mount for mount in host.mounts if mount.target == "/var/lib/ldap")
    moved = (*(mount for mount in host.mounts if mount != ldap), evolve(ldap, source="/mnt/data/openldap"))
    host.future = ComposeProject("hermes", {}, mounts=moved)
    found = look(host).directory
    assert found is not None
    assert found.folder == "/mnt/data/openldap"
    contents = contents_of(topology=evolve(HERE, data="/srv/data"))
    remapped = look(host, contents, remaps=(Remap("data", "/mnt/data"),)).directory
    assert remapped == found
    elsewhere = look(host, contents).directory
    assert elsewhere is not None
    assert elsewhere.folder == "/mnt/data/ldap/data", "a restore that will be refused is told of its paths only"


@pytest.mark.parametrize(
    ("data", "remap", "expected"),
    [
        ("/srv/data", {"force_remap": True}, ENV.replace(b"/mnt/data/\r", b"/mnt/data\r")),
        ("/srv/data", {"remaps": (Remap("/srv/data", "data"),)}, ENV.replace(b"/mnt/data/\r", b"/mnt/data\r")),
        ("/srv/data", {"remaps": (Remap("vmail", "vmail"),)}, ENV),
        ("/srv/data", {}, ENV),
        ("/mnt/data/", {"force_remap": True}, ENV),
    ],
)
def test_compose_is_asked_with_the_env_that_will_be_there(data: str, remap: dict[str, Any], expected: bytes) -> None:
    survey = survey_of(restore_host())
    contents = contents_of(topology=evolve(HERE, data=data))
    survey.look(evolve(REQUEST, **remap), contents)
    assert survey.stack.asked == [expected]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, "has no docker-compose.yml and no .env"),
        ({".env": ENV}, "has no docker-compose.yml"),
        ({**FILES, ".env": b"A B=1\n"}, ".env, line 1"),
    ],
)
def test_a_backup_that_compose_cannot_work_with_is_a_problem(files: Mapping[str, bytes], expected: str) -> None:
    contents = contents_of(topology=evolve(HERE, data="/srv/data"), files=files)
    facts = look(restore_host(), contents, force_remap=True)
    assert expected in str(facts.future_problem)
    assert facts.future is None


@pytest.mark.parametrize(
    ("there", "here", "foreseen"),
    [
        (b"services: {}\n", b"services: {}\n", True),
        (b"services: {a: {}}\ninclude: [x.yml]\n", b"services: {}\n", False),
        (b"services: {}\n", b"services:\n  a:\n    env_file: x\n", False),
        (b"services: {}\n", None, False),
    ],
)
def test_what_compose_would_read_of_other_files_cannot_be_foreseen(
    there: bytes, here: bytes | None, foreseen: bool
) -> None:
    host = restore_host()
    del host.files[f"{ROOT}/docker-compose.yml"]
    if here is not None:
        host.files[f"{ROOT}/docker-compose.yml"] = here
    facts = look(host, contents=contents_of(files={**FILES, "docker-compose.yml": there}))
    assert facts.unforeseen == (frozenset() if foreseen else host.boxes.keys())
    assert facts.future_problem is None


def test_every_mount_is_found_by_every_way_to_it_and_by_what_the_engine_has_mounted() -> None:
    host = restore_host(bound={"/srv/keys": ("/mnt/data/nginx/keys",)})
    host.mounts = (
        Mount("hermes_nginx", Kind.BIND, "/srv/keys", "/keys", read_only=True),
        Mount("hermes_nginx", Kind.VOLUME, "", "/kept"),
        Mount("hermes_ldap", Kind.BIND, f"{ROOT}/.env", "/env"),
    )
    host.mounted = {"hermes_dovecot": (Mount("hermes_dovecot", Kind.BIND, "/mnt/vmail", "/srv/mail"),)}
    found = look(host, contents_of(Scope.VMAIL)).mounts
    assert found == (
        MountOnHost("hermes_nginx", ("/srv/keys", "/mnt/data/nginx/keys"), read_only=True),
        MountOnHost("hermes_ldap", (f"{ROOT}/.env",), is_file=True),
        MountOnHost("hermes_dovecot", ("/mnt/vmail",)),
    )


def test_a_backup_that_compose_refuses_is_a_problem() -> None:
    host = restore_host(future_trouble="services.x must be a mapping")
    assert "services.x must be a mapping" in str(look(host).future_problem)


def test_images_that_are_not_there_are_told() -> None:
    assert look(restore_host(lacking_images=("hermes:v2",))).lacking_images == ("hermes:v2",)


def test_without_an_engine_the_rest_is_looked_at_all_the_same() -> None:
    host = restore_host(lacking_images=("hermes:v2",))
    host.hook = raising(EngineUnreachable("no socket"), "stack.containers")
    facts = look(host)
    assert "no socket" in str(facts.stack_problem)
    assert (facts.containers, facts.server, facts.server_problem, facts.maintenance) == ((), None, None, None)
    assert facts.future is not None
    assert facts.lacking_images == ()
    assert facts.directory is not None
    assert facts.places[Tier.VMAIL].found.is_folder


def test_without_compose_the_rest_is_looked_at_all_the_same() -> None:
    host = restore_host()
    host.hook = raising(EngineUnreachable("no compose"), "stack.project")
    facts = look(host)
    assert "no compose" in str(facts.stack_problem)
    assert (facts.future, facts.future_problem, facts.directory, facts.directory_problem) == (None, None, None, None)
    assert set(facts.places) == set(Tier)


def test_a_target_that_cannot_unpack_is_told() -> None:
    assert look(restore_host(target_problem="install GNU tar")).target_problem == "install GNU tar"


@pytest.mark.parametrize("is_on", [True, False])
def test_whether_nextcloud_is_in_maintenance_is_told(is_on: bool) -> None:
    assert look(restore_host(maintenance=is_on)).maintenance is is_on


def test_a_nextcloud_that_does_not_tell_is_no_trouble() -> None:
    assert look(restore_host(occ_trouble={"status": "PHP Fatal error"})).maintenance is None
    host = restore_host()
    host.boxes["hermes_nextcloud"].state = "exited"
    assert look(host).maintenance is None


def test_a_folder_to_stage_in_is_described() -> None:
    host = restore_host()
    host.add_folder("/stage")
    facts = look(host, stage_dir="/stage")
    assert facts.stage_room == Room(1 << 40, 1 << 20)
    assert (facts.stage_problem, facts.stage_on_tier) == (None, (Tier.CONFIG,)), "on the disk of the install root"
    host.devices["/stage"] = 77
    assert look(host, stage_dir="/stage").stage_on_tier == ()


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("/not/there", "does not exist or is no folder"),
        ("/mnt/vmail", "lies inside the vmail tier"),
        ("/mnt/data/nginx", "lies inside the data tier"),
        ("/mnt", "has the data tier below it"),
        ("/seen", "lies inside the vmail tier"),
    ],
)
def test_a_folder_that_will_not_do_to_stage_in_is_told_why(folder: str, expected: str) -> None:
    host = restore_host(bound={"/seen": ("/mnt/vmail/own",)})
    host.add_folder("/seen")
    facts = look(host, stage_dir=folder)
    assert expected in str(facts.stage_problem)
    assert facts.stage_room is None


def test_a_folder_in_a_tier_that_is_not_restored_will_do() -> None:
    assert look(restore_host(), contents_of(Scope.VMAIL), stage_dir="/mnt/data/nginx").stage_problem is None


def test_a_folder_on_another_disk_will_not_do_where_nothing_can_copy_from_it() -> None:
    host = restore_host(sync_problem="there is no rsync: install it")
    host.add_folder("/stage")
    host.devices["/stage"] = 77
    assert look(host, stage_dir="/stage").stage_problem == "serves by copying, and there is no rsync: install it"
    host.devices["/stage"] = host.devices["/mnt/vmail"]
    assert look(host, contents_of(Scope.VMAIL), stage_dir="/stage").stage_problem is None, "nothing is copied"


def test_a_folder_that_cannot_be_written_will_not_do() -> None:
    host = restore_host(output_problem="is read-only")
    host.add_folder("/stage")
    assert look(host, stage_dir="/stage").stage_problem == "is read-only"


def test_a_tier_that_only_root_may_look_into_is_told_as_such() -> None:
    host = restore_host()
    host.hook = raising(PermissionError(errno.EACCES, "Permission denied"), "files.names")
    assert not look(host).places[Tier.VMAIL].found.is_readable


def test_a_backup_among_a_tiers_data_is_warned_of_once() -> None:
    host = restore_host()
    host.add("/mnt/data/nginx/mine.tar")
    assert len(look(host, path="/mnt/data/nginx/mine.tar").warnings) == 1


def test_what_the_tiers_own_is_told_before_anything_is_read() -> None:
    host = restore_host(links={"/mnt/vmail": "/disk2/mail"})
    host.add_folder("/disk2/mail")
    found = survey_of(host).selections((Tier.DATA, Tier.VMAIL))
    assert (list(found), found[Tier.VMAIL].root) == ([Tier.DATA, Tier.VMAIL], "/disk2/mail")
    assert "dbase" in found[Tier.DATA].left_out


def test_looking_changes_nothing() -> None:
    host = restore_host()
    before = host.state()
    look(host, contents_of(files={**FILES, "config/x": SLAPD_DATABASE}))
    assert host.state() == before
    assert host.violations == []


def test_an_engine_that_fails_otherwise_is_an_error_and_no_empty_host() -> None:
    host = restore_host()
    host.hook = raising(CommandFailed(("docker",), 1, "boom"), "stack.containers")
    with pytest.raises(CommandFailed):
        look(host)
