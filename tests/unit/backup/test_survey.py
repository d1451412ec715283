"""Looking at the host: what is found, in every state that a host can be in, and that nothing stops the looking."""

from __future__ import annotations

import errno
from pathlib import Path
from threading import Event

import pytest
from attrs import define, evolve

from hermes_backup_core.domain.errors import CommandFailed, EngineUnreachable, Refused
from hermes_backup_core.domain.host import HostFacts, OutputFacts, Room, TierFacts, TierSize
from hermes_backup_core.domain.scope import Mode, Scope, Tier
from hermes_backup_core.survey.look import read_topology
from tests.unit.fakes.files import MemoryFiles
from tests.unit.fakes.host import OUTPUT, ROOT, Hook, MemoryHost, one_disk_host, plain_host
from tests.unit.fakes.wiring import back_up, request_of, saved, survey_of


def look(host: MemoryHost, scope: Scope = Scope.ALL) -> HostFacts:
    return survey_of(host).look(request_of(scope))


def tier_of(facts: HostFacts, tier: Tier) -> TierFacts:
    return next(found for found in facts.tiers if found.tier is tier)


def raising(error: Exception, *calls: str) -> Hook:
    def hook(moment: str, number: int, call: str) -> None:
        if moment == "before" and call in calls:
            raise error

    return hook


@pytest.mark.parametrize("scope", Scope)
def test_a_host_in_order_has_a_fact_for_each_tier_of_the_scope_and_no_trouble(scope: Scope) -> None:
    facts = look(plain_host(), scope)
    assert tuple(found.tier for found in facts.tiers) == scope.tiers
    assert all(found.is_folder and not found.is_empty and not found.missing for found in facts.tiers)
    assert (facts.build_no, facts.database_problem, facts.missing_tools, facts.warnings) == ("v260119", None, {}, ())
    assert (facts.databases is not None) == scope.has_dumps


def test_live_database_files_stay_out_wherever_compose_puts_them() -> None:
    host = plain_host()
    host.add("/mnt/data/maria/ibdata1", b"live")
    host.add("/mnt/data/ldap/top.mdb", b"live")
    host.add("/mnt/data/odd/data.mdb", b"no volume, so nothing that runs")
    host.volumes |= {"dbase": "/mnt/data/maria", "gone": "/mnt/data/gone", "web": "/mnt/data/nginx"}
    left_out = tier_of(look(host), Tier.DATA).selection.left_out
    assert set(left_out) >= {"maria", "ldap", "dbase", "ldap/data"}
    assert not {"odd", "gone", "nginx"} & set(left_out)


def test_a_data_folder_behind_a_link_is_known_for_what_it_is() -> None:
    host = plain_host(links={"/mnt/db": "/mnt/data/elsewhere"})
    host.add("/mnt/data/elsewhere/ibdata1", b"live")
    host.volumes["dbase"] = "/mnt/db"
    assert "elsewhere" in tier_of(look(host), Tier.DATA).selection.left_out


def test_what_a_tier_holds_is_measured_without_what_stays_out() -> None:
    assert tier_of(look(plain_host()), Tier.DATA).size == TierSize(len(b"server {}\n"), 1)


def test_a_tier_that_is_not_there_is_told_and_the_others_are_looked_at() -> None:
    host = plain_host(links={"/mnt/vmail": "/nowhere"})
    facts = look(host)
    found = tier_of(facts, Tier.VMAIL)
    assert (found.is_folder, found.is_empty, found.path) == (False, True, "/mnt/vmail")
    assert tier_of(facts, Tier.NEXTCLOUD).is_folder


def test_folders_that_volumes_or_the_single_disk_layout_need_are_missed() -> None:
    host = one_disk_host()
    host.volumes |= {"redis": "/mnt/one/redis", "ldap": "/mnt/one/openldap", "maria": "/mnt/one/mysql"}
    for path in [path for path in host.files if "/amavis/" in path or "/app/" in path]:
        del host.files[path]
    host.folders -= {"/mnt/one/amavis", "/mnt/one/app"}
    facts = look(host)
    assert tier_of(facts, Tier.ARCHIVE).missing == ("/mnt/one/amavis",)
    assert tier_of(facts, Tier.NEXTCLOUD).missing == ("/mnt/one/app",)
    assert tier_of(facts, Tier.DATA).missing == ("/mnt/one/mysql", "/mnt/one/openldap")
    assert tier_of(facts, Tier.VMAIL).missing == ()


def test_a_folder_that_is_a_link_out_of_its_tier_is_told_unless_it_is_left_out_anyway() -> None:
    links = {"/mnt/vmail/dovecot": "/disk2/dovecot", "/mnt/data/dbase": "/ssd/dbase", "/mnt/files/app": "/mnt/files/x"}
    host = plain_host(links=links)
    for folder in ("/disk2/dovecot", "/ssd/dbase", "/mnt/files/x"):
        host.add_folder(folder)
    host.volumes |= {"vmail": "/mnt/vmail/dovecot/", "dbase": "/mnt/data/dbase", "app": "/mnt/files/app"}
    facts = look(host)
    assert tier_of(facts, Tier.VMAIL).linked_away == (("/mnt/vmail/dovecot", "/disk2/dovecot"),)
    assert tier_of(facts, Tier.DATA).linked_away == ()
    assert tier_of(facts, Tier.NEXTCLOUD).linked_away == ()


def test_a_host_without_a_fit_tar_is_told() -> None:
    host = plain_host()
    assert look(host).reader_problem is None
    host.tar_problem = "tar is not GNU tar 1.34 or newer: install that"
    assert look(host).reader_problem == host.tar_problem


def test_an_empty_tier_and_promised_mounts_are_told() -> None:
    host = plain_host(unmounted={"/mnt/vmail": ("/mnt/vmail",)})
    for path in [path for path in host.files if path.startswith("/mnt/vmail")]:
        del host.files[path]
    host.folders = {path for path in host.folders if not path.startswith("/mnt/vmail/")}
    found = tier_of(look(host), Tier.VMAIL)
    assert (found.is_empty, found.unmounted) == (True, ("/mnt/vmail",))


def test_a_backup_folder_inside_a_tier_is_left_out_in_every_tier_that_would_hold_it() -> None:
    host = plain_host(links={OUTPUT: "/mnt/vmail/own/backups"})
    host.add_folder("/mnt/vmail/own/backups")
    facts = look(host)
    assert tier_of(facts, Tier.VMAIL).selection.left_out == ("own/backups",)
    assert all("own/backups" not in found.selection.left_out for found in facts.tiers if found.tier is not Tier.VMAIL)
    assert facts.output.resolved == "/mnt/vmail/own/backups"


def test_a_backup_folder_that_is_left_out_anyway_is_not_named_again() -> None:
    host = plain_host(links={OUTPUT: f"{ROOT}/install-logs/backups"})
    host.add_folder(f"{ROOT}/install-logs/backups")
    assert tier_of(look(host), Tier.CONFIG).selection.left_out == (".git", "install-logs")


@pytest.mark.parametrize(("problem", "expected"), [("is read-only", "is read-only"), (None, None)])
def test_the_output_folder_is_described(problem: str | None, expected: str | None) -> None:
    host = plain_host(output_problem=problem)
    host.add(f"{OUTPUT}/old.tar")
    output = look(host).output
    assert output.problem == expected
    assert output.names == (frozenset() if problem else {"old.tar"})
    assert output.room == (Room(0, None) if problem else host.room)


def test_an_output_folder_that_is_not_there_is_told() -> None:
    host = plain_host()
    host.folders.discard(OUTPUT)
    assert "does not exist" in str(look(host).output.problem)


def test_strays_on_a_shared_path_are_warned_of_since_no_backup_holds_them() -> None:
    """Where the data tier is not on it; that one owns all that nobody else does."""
    host = plain_host()
    env = "DATA_MOUNT=/mnt/data\nARCHIVE_MOUNT=/mnt/two\nVMAIL_MOUNT=/mnt/two\nFILES_MOUNT=/mnt/files\n"
    host.add(f"{ROOT}/.env", env.encode())
    host.add("/mnt/two/amavis/q1")
    host.add("/mnt/two/dovecot/example.com/1")
    host.add("/mnt/two/caf\udce9/lost.txt")
    assert look(host).warnings == ("in no backup, because no tier owns it: caf\\xe9 in /mnt/two",)
    assert look(one_disk_host()).warnings == ()


def test_a_shared_path_that_is_not_there_holds_no_strays() -> None:
    host = one_disk_host(links={"/mnt/one": "/nowhere"})
    facts = look(host)
    assert facts.warnings == ()
    assert not tier_of(facts, Tier.DATA).is_folder


def test_without_an_engine_the_rest_is_looked_at_all_the_same() -> None:
    host = plain_host()
    host.hook = raising(EngineUnreachable("no socket"), "stack.containers")
    facts = look(host)
    assert facts.project.name == "hermes"
    assert facts.containers == ()
    assert "no socket" in str(facts.stack_problem)
    assert tier_of(facts, Tier.VMAIL).size.bytes == 5000


def test_without_compose_the_rest_is_looked_at_all_the_same() -> None:
    host = plain_host()
    host.hook = raising(EngineUnreachable("no compose"), "stack.project")
    facts = look(host)
    assert (facts.project.name, facts.containers) == ("", ())
    assert "no compose" in str(facts.stack_problem)


def test_a_tier_that_only_root_may_look_into_is_told_as_such() -> None:
    host = plain_host()
    host.hook = raising(PermissionError(errno.EACCES, "Permission denied"), "files.names")
    found = tier_of(look(host), Tier.VMAIL)
    assert (found.is_readable, found.is_empty, found.is_folder) == (False, False, True)


@pytest.mark.parametrize("state", ["exited", "paused"])
def test_a_database_that_does_not_serve_is_not_asked(state: str) -> None:
    host = plain_host()
    host.boxes["hermes_db_server"].state = state
    facts = look(host)
    assert (facts.build_no, facts.databases, facts.database_problem) == (None, None, None)
    assert not [argv for name, argv, _, _ in host.executed if name == "hermes_db_server"]


def test_a_database_that_refuses_root_is_a_problem_with_its_words() -> None:
    host = plain_host()
    host.database.password = "secret"
    facts = look(host)
    assert "/run/secrets/MYSQL_ROOT_PASSWORD: No such file" in str(facts.database_problem)
    assert facts.build_no is None


def test_a_server_that_lacks_the_database_hermes_is_not_asked_for_its_build_number() -> None:
    host = plain_host()
    del host.database.tables["hermes"]
    facts = look(host)
    assert (facts.build_no, facts.database_problem) == (None, None)
    assert facts.databases is not None
    assert "hermes" not in facts.databases


def test_a_query_that_fails_is_a_problem_and_no_crash() -> None:
    host = plain_host()
    del host.database.tables["hermes"]
    facts = look(host, Scope.VMAIL)
    assert "1146" in str(facts.database_problem)


def test_missing_programs_are_named_by_container_and_no_database_is_asked_without_them() -> None:
    host = plain_host(lacking={"hermes_db_server": {"mariadb-dump"}, "hermes_ldap": {"slapcat"}})
    facts = look(host)
    assert facts.missing_tools == {"hermes_db_server": ("mariadb-dump",), "hermes_ldap": ("slapcat",)}
    assert facts.database_problem is None
    assert look(host, Scope.VMAIL).missing_tools == {}


def test_the_topology_is_read_with_the_rules_of_compose() -> None:
    host = plain_host()
    env = "\ufeffBASE=/mnt\r\nexport DATA_MOUNT='/mnt/a[1]/'\r\nARCHIVE_MOUNT: ${BASE}/x # old\r\n"
    host.add(f"{ROOT}/.env", (env + 'VMAIL_MOUNT="$BASE//vmail"\nFILES_MOUNT=/mnt/files\n').encode())
    topology = read_topology(ROOT, MemoryFiles(host))
    assert (topology.config, topology.data) == (ROOT, "/mnt/a[1]")
    assert (topology.archive, topology.vmail) == ("/mnt/x", "/mnt/vmail")


def test_an_install_root_without_env_is_refused() -> None:
    host = plain_host()
    del host.files[f"{ROOT}/.env"]
    with pytest.raises(Refused, match=r"/opt/hermes/\.env cannot be read \(No such file"):
        survey_of(host)


@define
class Earlier:
    """A folder of real backups, made on the host in memory."""

    folder: Path

    def add(self, scope: Scope, day: int, vmail: bytes = b"mail " * 1000) -> None:
        host = plain_host()
        host.now = 86400.0 * day
        host.add("/mnt/vmail/example.com/alice/cur/1", vmail)
        saved(host, back_up(host, request_of(scope, Mode.HOT)).path, self.folder)

    def ratios(self) -> dict[Tier, float]:
        names = frozenset(path.name for path in self.folder.iterdir())
        output = OutputFacts(str(self.folder), str(self.folder), None, Room(0, None), names)
        return survey_of(plain_host()).ratios(output)


def test_earlier_backups_tell_how_small_each_tier_comes_out(tmp_path: Path) -> None:
    earlier = Earlier(tmp_path)
    assert earlier.ratios() == {}
    earlier.add(Scope.ALL, day=1, vmail=bytes(100_000))
    earlier.add(Scope.VMAIL, day=2)
    earlier.add(Scope.ARCHIVE, day=0)
    ratios = earlier.ratios()
    assert set(ratios) == set(Tier)
    assert 0.02 < ratios[Tier.VMAIL] < 0.1, "the newest backup's, not that of the all backup before"


def test_damaged_and_foreign_files_beside_the_backup_tell_nothing_and_do_no_harm(tmp_path: Path) -> None:
    earlier = Earlier(tmp_path)
    (tmp_path / "hermes-backup-all-v1-20270101T000000Z.tar").write_bytes(b"not a tar at all")
    (tmp_path / "hermes-backup-vmail-v1-20270102T000000Z.tar").mkdir()
    (tmp_path / "notes.txt").write_text("hello")
    assert earlier.ratios() == {}
    earlier.add(Scope.VMAIL, day=3)
    assert set(earlier.ratios()) == {Tier.VMAIL}


def test_an_engine_that_fails_otherwise_is_an_error_and_no_empty_host() -> None:
    host = plain_host()
    host.hook = raising(CommandFailed(("docker",), 1, "boom"), "stack.containers")
    with pytest.raises(CommandFailed):
        look(host)


def test_an_output_that_a_bind_mount_shows_of_a_tier_lies_inside_that_tier() -> None:
    host = plain_host()
    host.bound[OUTPUT] = ("/somewhere/else", "/mnt/data/backups")
    facts = look(host)
    assert facts.output.resolved == "/mnt/data/backups"
    assert "backups" in tier_of(facts, Tier.DATA).selection.left_out
    host.bound[OUTPUT] = ("/somewhere/else",)
    assert look(host).output.resolved == OUTPUT


def test_what_is_looked_at_in_parallel_comes_out_the_same() -> None:
    survey = evolve(survey_of(plain_host()), in_parallel=True)
    assert survey.look(request_of()) == look(plain_host())


def test_tiers_are_measured_while_the_stack_is_asked_and_an_error_does_not_wait_for_that() -> None:
    host, measuring, over = plain_host(), Event(), Event()

    def hook(moment: str, number: int, call: str) -> None:
        if (moment, call) == ("before", "files.measure"):
            measuring.set()
            over.wait(10)
        elif (moment, call) == ("before", "stack.containers"):
            assert measuring.wait(10)
            raise CommandFailed(("docker",), 1, "boom")

    host.hook = hook
    with pytest.raises(CommandFailed):
        evolve(survey_of(host), in_parallel=True).look(request_of())
    assert not over.is_set()
    over.set()
