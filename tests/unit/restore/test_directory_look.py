"""Where slapd's folders lie: read off its own configuration and what Compose mounts."""

from __future__ import annotations

import pytest

from hermes_backup_core.domain.host import ComposeProject, Kind, Mount, Room
from hermes_backup_core.domain.restore_facts import DirectoryFacts
from hermes_backup_core.restore.directory_look import DirectoryLook, DirectoryUnknown
from hermes_backup_core.restore.outside import mount_over, outside
from tests.unit.fakes.files import MemoryFiles
from tests.unit.fakes.host import ROOT, MemoryHost
from tests.unit.fakes.wiring import SLAPD_CONFIG, restore_host

DATABASE_FILE = "olcDatabase={1}mdb.ldif"
RESTORED = f"{SLAPD_CONFIG.removeprefix(ROOT)[1:]}/cn=config/{DATABASE_FILE}"
FOUND = DirectoryFacts(
    "/mnt/data/ldap/data", "/var/lib/ldap", SLAPD_CONFIG, "/etc/ldap/slapd.d", Room(1 << 40, 1 << 20, device=1)
)


def look(host: MemoryHost, restored: dict[str, bytes] | None = None) -> DirectoryFacts:
    project = ComposeProject("hermes", host.volumes, mounts=host.mounts)
    return DirectoryLook(MemoryFiles(host), project, ROOT, restored or {}).look()


def without(host: MemoryHost, target: str) -> MemoryHost:
    host.mounts = tuple(mount for mount in host.mounts if mount.target != target)
    return host


def database(folder: str) -> bytes:
    return f"dn: olcDatabase={{1}}mdb\nolcDbDirectory: {folder}\nolcSuffix: dc=hermes,dc=local\n".encode()


def test_the_folders_are_found_on_both_sides() -> None:
    assert look(restore_host()) == FOUND


def test_the_configuration_that_will_be_there_counts() -> None:
    host = restore_host()
    host.add_folder("/mnt/data/ldap/data/deep")
    restored = {RESTORED: database("/var/lib/ldap/deep"), "docker-compose.yml": b""}
    found = look(host, restored)
    assert (found.folder, found.inside) == ("/mnt/data/ldap/data/deep", "/var/lib/ldap/deep")


def test_a_configuration_outside_the_install_root_is_the_one_that_stays() -> None:
    host = without(restore_host(), "/etc/ldap/slapd.d")
    host.mounts += (Mount("hermes_ldap", Kind.BIND, "/srv/etc-ldap", "/etc/ldap"),)
    host.add(f"/srv/etc-ldap/slapd.d/cn=config/{DATABASE_FILE}", database("/var/lib/ldap"))
    found = look(host, {RESTORED: database("/elsewhere")})
    assert (found.config, found.inside) == ("/srv/etc-ldap/slapd.d", "/var/lib/ldap")


def test_links_on_the_way_are_resolved() -> None:
    host = restore_host(links={"/mnt/data/ldap/data": "/ssd/ldap"})
    host.add_folder("/ssd/ldap")
    assert look(host).folder == "/ssd/ldap"


@pytest.mark.parametrize("target", ["/etc/ldap/slapd.d", "/var/lib/ldap"])
def test_a_folder_that_is_not_mounted_is_told(target: str) -> None:
    with pytest.raises(DirectoryUnknown, match=f"nothing is mounted at {target}"):
        look(without(restore_host(), target))


def test_a_volume_that_the_engine_keeps_is_told() -> None:
    host = without(restore_host(), "/var/lib/ldap")
    host.mounts += (Mount("hermes_ldap", Kind.VOLUME, "", "/var/lib/ldap"),)
    with pytest.raises(DirectoryUnknown, match="the volume at /var/lib/ldap is no folder of the host"):
        look(host)


def test_a_folder_that_is_not_there_is_told() -> None:
    with pytest.raises(DirectoryUnknown, match="/nowhere is not there"):
        look(restore_host(links={"/mnt/data/ldap/data": "/nowhere"}))


def test_a_configuration_without_the_directory_is_told() -> None:
    host = restore_host()
    host.add(f"{SLAPD_CONFIG}/cn=config/{DATABASE_FILE}", b"dn: olcDatabase={1}mdb\nolcSuffix: dc=other\n")
    host.add(f"{SLAPD_CONFIG}/cn=config/notes.txt", database("/x"))
    with pytest.raises(DirectoryUnknown, match=r"no database in .*slapd\.d has the suffix"):
        look(host)


def test_a_configuration_without_any_database_is_told() -> None:
    host = without(restore_host(), "/etc/ldap/slapd.d")
    host.add_folder("/srv/empty")
    host.mounts += (Mount("hermes_ldap", Kind.BIND, "/srv/empty", "/etc/ldap/slapd.d"),)
    with pytest.raises(DirectoryUnknown, match="no database in /srv/empty"):
        look(host)


def test_the_innermost_mount_of_the_service_is_what_counts() -> None:
    mounts = (
        Mount("db", Kind.BIND, "/", "/"),
        Mount("db", Kind.BIND, "/mnt/data/dbase", "/config/"),
        Mount("db", Kind.BIND, "/mnt/data/logs", "/config/log"),
        Mount("other", Kind.BIND, "/x", "/config/databases"),
    )
    project = ComposeProject("hermes", {}, mounts=mounts)
    assert mount_over(project, "db", "/config/databases/") == mounts[1]
    assert outside(mounts[1], "/config/databases/") == "/mnt/data/dbase/databases"
    assert outside(mounts[0], "/srv/x") == "/srv/x"
    assert outside(mounts[1], "/config") == "/mnt/data/dbase"
    assert mount_over(project, "none", "/config") is None
