"""The ground of each tier: what keeps its place, whatever is exchanged around it."""

from __future__ import annotations

import errno

import pytest

from hermes_backup_core.domain.host import ComposeProject, Container, Kind, Mount, Room
from hermes_backup_core.domain.restore_facts import Place
from hermes_backup_core.domain.scope import Tier
from hermes_backup_core.restore.ground import GroundLook
from hermes_backup_core.survey.look import HostLook
from tests.unit.fakes.files import MemoryFiles
from tests.unit.fakes.host import ROOT, MemoryHost, one_disk_host, plain_host
from tests.unit.fakes.stack import MemoryStack
from tests.unit.fakes.trees import MemoryTrees
from tests.unit.fakes.wiring import CREDENTIALS, SLAPD_CONFIG, restore_host

NAME = "hermes-backup-all-v260119-20260601T103000Z"
OUTSIDE = f"/backups/{NAME}.tar"


def ground_of(host: MemoryHost, keeps: tuple[str, ...] = ()) -> GroundLook:
    return GroundLook(HostLook(ROOT, MemoryStack(host), MemoryFiles(host)), MemoryTrees(host), keeps)


def place_of(
    host: MemoryHost,
    tier: Tier,
    backup: str = OUTSIDE,
    keeps: tuple[str, ...] = (),
    future: ComposeProject | None = None,
) -> Place:
    ground = ground_of(host, keeps)
    project, _ = ground.host.project()
    return ground.place(tier, project, ground.sources(*filter(None, (project, future))), backup)


def remarks_of(host: MemoryHost, tier: Tier, backup: str) -> list[str]:
    return list(ground_of(host).remarks(place_of(host, tier, backup), backup))


def test_folders_that_something_mounts_are_pinned_and_files_are_not() -> None:
    host = restore_host()
    secret = Mount("hermes_db_server", Kind.BIND, f"{CREDENTIALS}/mysql_root_password", "/run/secrets/MYSQL", True)
    gone = Mount("hermes_nginx", Kind.BIND, f"{ROOT}/not/there", "/x")
    host.mounts += (secret, gone, Mount("hermes_nginx", Kind.VOLUME, "", "/y"))
    assert place_of(host, Tier.CONFIG).pinned == {CREDENTIALS, SLAPD_CONFIG, f"{ROOT}/config/hermes/opt/hermes"}


def test_what_the_backups_own_compose_file_mounts_is_pinned_as_well() -> None:
    host = restore_host(bound={"/srv/keys": ("/mnt/data/nginx/keys",)})
    host.add_folder("/srv/keys")
    future = ComposeProject("hermes", {}, mounts=(Mount("hermes_nginx", Kind.BIND, "/srv/keys", "/keys"),))
    assert "/mnt/data/nginx/keys" not in place_of(host, Tier.DATA).pinned
    assert "/mnt/data/nginx/keys" in place_of(host, Tier.DATA, future=future).pinned, "by whatever way it is mounted"


def test_what_the_engine_has_mounted_is_pinned_whatever_compose_says_by_now() -> None:
    host = restore_host()
    ground = ground_of(host)
    project, _ = ground.host.project()
    mount = Mount("hermes_nginx", Kind.BIND, "/mnt/data/nginx/keys", "/keys", read_only=True)
    boxes = (Container("hermes_nginx", "running", mounts=(mount,)),)
    place = ground.place(Tier.DATA, project, ground.sources(project, containers=boxes), OUTSIDE)
    assert "/mnt/data/nginx/keys" in place.pinned


def test_live_files_of_databases_stay_and_what_is_left_out_and_not_there_is_not_named() -> None:
    assert place_of(restore_host(), Tier.DATA).stays == {"/mnt/data/dbase", "/mnt/data/ldap/data"}
    assert place_of(restore_host(), Tier.VMAIL).stays == frozenset()


def test_a_folder_left_out_that_leads_to_one_of_the_tiers_own_does_not_stay_as_a_whole() -> None:
    stays = place_of(one_disk_host(), Tier.DATA).stays
    assert "/mnt/one/dovecot" not in stays
    assert {"/mnt/one/amavis", "/mnt/one/app", "/mnt/one/redis", "/mnt/one/dbase"} <= stays


def test_the_launchers_that_are_there_stay() -> None:
    host = restore_host()
    for name in ("system_backup.sh.orig", "system_restore.py.orig.2", "system_check.sh", "my_system_backup.sh"):
        host.add(f"{ROOT}/scripts/{name}")
    names = {"system_backup.sh", "system_restore.sh", "system_backup.sh.orig", "system_restore.py.orig.2"}
    expected = {f"{ROOT}/install-logs", *(f"{ROOT}/scripts/{name}" for name in names)}
    assert place_of(host, Tier.CONFIG).stays == expected


def test_launchers_behind_a_link_are_not_in_the_tier() -> None:
    host = plain_host(links={f"{ROOT}/scripts": "/usr/local/hermes"})
    host.add("/usr/local/hermes/system_backup.sh")
    assert place_of(host, Tier.CONFIG).stays == {f"{ROOT}/install-logs"}


def test_the_tools_own_folders_stay_wherever_they_lie() -> None:
    host = restore_host(bound={"/srv/state": (f"{ROOT}/state",)})
    host.add(f"{ROOT}/state/lock")
    host.add_folder("/srv/state")
    host.add_folder("/usr/share/checkout")
    assert (
        f"{ROOT}/state" in place_of(host, Tier.CONFIG, keeps=("/srv/state", "/usr/share/checkout", f"{ROOT}/no")).stays
    )
    assert f"{ROOT}/no" not in place_of(host, Tier.CONFIG, keeps=(f"{ROOT}/no",)).stays


def test_the_folder_of_the_backup_stays_by_whatever_way_it_lies_in_the_tier() -> None:
    host = restore_host(
        links={"/backups/newest.tar": f"/mnt/vmail/own/{NAME}.tar"}, bound={"/mnt/vmail/own": ("/x/own",)}
    )
    host.add(f"/mnt/vmail/own/{NAME}.tar")
    place = place_of(host, Tier.VMAIL, "/backups/newest.tar")
    assert place.stays == {"/mnt/vmail/own"}
    assert remarks_of(host, Tier.VMAIL, "/backups/newest.tar") == []
    assert place_of(host, Tier.DATA, "/backups/newest.tar").stays == {"/mnt/data/dbase", "/mnt/data/ldap/data"}


def test_whoever_keeps_a_backup_among_a_tiers_data_is_told_that_these_stay() -> None:
    host = restore_host()
    host.add("/mnt/data/nginx/mine.tar")
    (remark,) = remarks_of(host, Tier.DATA, "/mnt/data/nginx/mine.tar")
    assert remark.startswith("all that lies in /mnt/data/nginx stays as it is now")


@pytest.mark.parametrize("name", [NAME, "mine"])
def test_in_the_tiers_own_folder_only_backups_and_their_logs_stay(name: str) -> None:
    host = restore_host()
    other = "hermes-backup-vmail-v1-20260501T000000Z"
    for file in (f"{name}.tar", f"{other}.tar", f"{other}.log", f"{other}.tar.partial", "a.log", "data.tar"):
        host.add(f"/mnt/vmail/{file}")
    expected = {f"{name}.tar", f"{name}.restore.log", f"{other}.tar", f"{other}.log", f"{other}.tar.partial"}
    backup = f"/mnt/vmail/{name}.tar"
    assert place_of(host, Tier.VMAIL, backup).stays == {f"/mnt/vmail/{file}" for file in expected}
    assert remarks_of(host, Tier.VMAIL, backup) == []


def test_a_folder_that_leads_to_a_tiers_own_does_not_stay_because_of_a_backup() -> None:
    host = one_disk_host()
    backup = f"/mnt/one/dovecot/{NAME}.tar"
    host.add(backup)
    assert "/mnt/one/dovecot" not in place_of(host, Tier.DATA, backup).stays
    assert backup in place_of(host, Tier.DATA, backup).stays


def test_mount_points_in_what_is_exchanged_get_a_stage_of_their_own() -> None:
    host = restore_host()
    for point in ("/mnt/data/nginx", "/mnt/data/dbase", "/mnt/data/own"):
        host.add_folder(point)
        host.devices[point] = 10 + len(host.devices)
    host.add(f"/mnt/data/own/{NAME}.tar")
    host.add_folder("/mnt/data/nginx/.hermes-restore-data")
    host.add_folder("/mnt/data/.hermes-restore-data")
    place = place_of(host, Tier.DATA, f"/mnt/data/own/{NAME}.tar")
    assert place.mount_points == ("/mnt/data/nginx",)
    assert {"/mnt/data/nginx", "/mnt/data/dbase", "/mnt/data/own"} <= place.pinned
    assert place.hidden == ("/mnt/data/.hermes-restore-data", "/mnt/data/nginx/.hermes-restore-data")
    assert set(place.rooms) == {"/mnt/data", "/mnt/data/nginx"}


def test_of_a_tier_that_cannot_be_looked_at_nothing_more_is_known() -> None:
    host = restore_host(links={"/mnt/vmail": "/nowhere"})
    assert place_of(host, Tier.VMAIL) == Place(place_of(host, Tier.VMAIL).found)

    def refuse(moment: str, number: int, call: str) -> None:
        if moment == "before" and call == "files.names":
            raise PermissionError(errno.EACCES, "Permission denied")

    host.hook = refuse
    place = place_of(host, Tier.DATA)
    assert (place.found.is_readable, place.stays, place.rooms) == (False, frozenset(), {})
    assert remarks_of(host, Tier.DATA, "/mnt/data/nginx/mine.tar") == []


def test_a_file_system_that_does_not_tell_its_room_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: MemoryFiles, folder: str) -> Room:
        raise PermissionError(errno.EACCES, folder)

    monkeypatch.setattr(MemoryFiles, "room", refuse)
    assert place_of(restore_host(), Tier.VMAIL).rooms == {}
