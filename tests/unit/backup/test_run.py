"""A backup on the host in memory: what is in the file, what is told of it, and what is no failure."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import pytest

from hermes_backup_core.archive.backup_file import verify_backup
from hermes_backup_core.archive.outer import SLOT_BYTES
from hermes_backup_core.archive.reader import BackupReader
from hermes_backup_core.backup.result import BackupResult
from hermes_backup_core.domain.errors import CommandFailed, DirectoryExportFailed, DumpFailed, NoRoom
from hermes_backup_core.domain.manifest import ChangedFiles, Manifest
from hermes_backup_core.domain.scope import ACCOUNTS_MEMBER, DATABASES, Mode, Scope, Tier
from hermes_backup_core.domain.selection import PackReport
from hermes_backup_core.services.containers import NotStopped
from hermes_backup_core.services.mariadb import SnapshotBroken
from tests.unit.fakes.host import OUTPUT, MemoryHost, one_disk_host, plain_host
from tests.unit.fakes.wiring import HOSTNAME, back_up, request_of, saved

ALTERED = "mariadb-dump: Error 1412: Table definition has changed, please retry transaction when dumping table `child`"


def contents(host: MemoryHost, result: BackupResult, folder: Path) -> dict[str, dict[str, bytes]]:
    """Every file in every tier and dump archive of the backup, as unpacking would make it."""
    unpacked: dict[str, dict[str, bytes]] = {}
    with BackupReader(saved(host, result.path, folder)) as reader:
        for name in reader.members:
            if name.endswith(".tar.gz"):
                with reader.open_member(name) as file, tarfile.open(fileobj=file, mode="r:gz") as tar:
                    unpacked[name] = {info.name: _read(tar, info) for info in tar}
    return unpacked


def _read(tar: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(info)
    return file.read() if file else b""


def is_taking(moment: str, call: str) -> bool:
    return moment == "before" and ("dump" in call or "pack" in call)


def text_member(host: MemoryHost, result: BackupResult, folder: Path, name: str) -> bytes:
    with BackupReader(saved(host, result.path, folder)) as reader, reader.open_member(name) as file:
        return gzip.decompress(file.read())


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("scope", Scope)
def test_a_backup_of_each_scope_verifies_and_holds_just_what_the_scope_has(
    scope: Scope, mode: Mode, tmp_path: Path
) -> None:
    host = plain_host()
    before = host.state()
    result = back_up(host, request_of(scope, mode))
    backup = verify_backup(saved(host, result.path, tmp_path))
    assert backup.manifest == result.manifest
    assert (backup.manifest.scope, backup.manifest.mode, backup.manifest.hostname) == (scope, mode, HOSTNAME)
    assert tuple(backup.manifest.archives) == scope.members
    assert set(backup.manifest.accounts) == ({ACCOUNTS_MEMBER} if scope.has_dumps else set())
    assert result.problems == ()
    del host.files[result.path]
    assert host.state() == before or mode is Mode.COLD
    assert host.state().same_for_users(before)


@pytest.mark.parametrize("mode", Mode)
def test_the_archives_hold_each_tiers_own_files_and_all_six_dumps(mode: Mode, tmp_path: Path) -> None:
    host = one_disk_host()
    found = contents(host, back_up(host, request_of(Scope.ALL, mode)), tmp_path)
    assert {name: sorted(files) for name, files in found.items()} == {
        "databases.tar.gz": sorted(f"./{name}.sql" for name in DATABASES),
        "config.tar.gz": ["./.env"],
        "data.tar.gz": ["./dovecot/logs/dovecot.log", "./dovecot/sieve/default.sieve", "./nginx/site.conf"],
        "archive.tar.gz": ["./amavis/q1"],
        "vmail.tar.gz": ["./dovecot/example.com/alice/cur/1"],
        "nextcloud.tar.gz": ["./app/config.php", "./redis/dump.rdb"],
    }
    assert list(found["databases.tar.gz"]) == [f"./{name}.sql" for name in DATABASES]
    assert found["databases.tar.gz"]["./djigzo.sql"].splitlines()[-1].startswith(b"-- Dump completed")
    assert found["vmail.tar.gz"]["./dovecot/example.com/alice/cur/1"] == b"mail"


def test_the_directory_and_the_accounts_are_whole(tmp_path: Path) -> None:
    host = plain_host()
    host.database.accounts = [("hermes", "%", "N"), ("root", "localhost", "N")]
    result = back_up(host, request_of(Scope.SYSTEM))
    assert text_member(host, result, tmp_path, "ldap.ldif.gz") == host.ldif
    accounts = text_member(host, result, tmp_path, ACCOUNTS_MEMBER).decode()
    assert "CREATE USER IF NOT EXISTS 'hermes'@'%'" in accounts
    assert "root" not in accounts


def test_the_result_has_the_figures_of_file_and_members() -> None:
    host = plain_host(takes={"tiers.pack": 10.0, "stack.stream slapcat": 2.0})
    result = back_up(host, request_of(Scope.ALL))
    assert result.path == f"{OUTPUT}/hermes-backup-all-v260119-20260601T103000Z.tar"
    assert result.size_bytes == len(host.files[result.path])
    members = {member.name: member for member in result.members}
    assert set(members) == set(result.manifest.members)
    assert (members["vmail.tar.gz"].content_bytes, members["vmail.tar.gz"].seconds) == (5000, 10.0)
    assert members["ldap.ldif.gz"].content_bytes == len(host.ldif)
    assert result.manifest.archives["vmail.tar.gz"].entries == 1
    assert result.manifest.archives["databases.tar.gz"].entries == 6
    assert result.manifest.archives["ldap.ldif.gz"].entries == 2
    assert (result.seconds, result.in_maintenance, result.stack_down) == (52.0, 10.0, 0.0)
    assert "vmail.tar.gz 166 B from 4.9 KiB in 10.0s (1 entries, 500 B/s)" in host.lines("info")


def test_the_stack_is_down_from_the_stop_until_the_last_tier_is_read() -> None:
    host = plain_host(takes={"stack.stop": 5.0, "tiers.pack": 10.0, "files.publish": 100.0})
    result = back_up(host, request_of(Scope.VMAIL, Mode.COLD))
    # Two groups of containers to stop one after the other, and 2 s to see that all came up and stays up.
    assert (result.stack_down, result.seconds) == (22.0, 122.0)
    stop, pack = host.calls.index("stack.stop"), host.calls.index("tiers.pack")
    assert stop < pack < host.calls.index("stack.start") < host.calls.index("files.publish")


def test_the_databases_are_down_again_while_a_cold_backup_packs() -> None:
    host = plain_host()
    seen = []
    host.hook = lambda moment, _, call: (
        seen.append((call, frozenset(host.running())))
        if moment == "before" and ("dump" in call or "pack" in call)
        else None
    )
    back_up(host, request_of(Scope.ALL, Mode.COLD))
    serving = frozenset({"hermes_db_server", "hermes_ldap"})
    assert seen == [("stack.stream mariadb-dump", serving)] * 6 + [("tiers.pack", frozenset())] * 5


def test_maintenance_mode_covers_nextclouds_database_and_files_and_nothing_else() -> None:
    host = plain_host()
    seen: list[tuple[str, bool]] = []
    host.hook = lambda moment, _, call: seen.append((call, host.maintenance)) if is_taking(moment, call) else None
    back_up(host, request_of(Scope.ALL))
    assert [call for call, on in seen if on] == ["stack.stream mariadb-dump", "tiers.pack"]
    packed = [argv[-1] for _, argv, _, _ in host.executed if "mariadb-dump" in argv and "command" not in argv[2]]
    assert packed[-1] == "nextcloud"
    assert not host.maintenance


def test_without_maintenance_occ_is_left_alone() -> None:
    host = plain_host()
    back_up(host, request_of(Scope.NEXTCLOUD, maintenance=False))
    assert not [argv for _, argv, _, _ in host.executed if argv[0] == "php"]


def test_maintenance_that_was_on_before_stays_on() -> None:
    host = plain_host(maintenance=True)
    result = back_up(host, request_of(Scope.ALL))
    assert host.maintenance
    assert result.in_maintenance == 0
    assert "Nextcloud is in maintenance mode already, and stays so" in host.lines("info")


@pytest.mark.parametrize("broken", [("status",), ("--on",), ("--on", "--off")])
def test_where_occ_cannot_switch_maintenance_on_the_backup_warns_and_goes_on(broken: tuple[str, ...]) -> None:
    host = plain_host(occ_trouble=dict.fromkeys(broken, "config.php is not writable"))
    result = back_up(host, request_of(Scope.NEXTCLOUD))
    assert result.problems == ()
    assert not host.maintenance
    assert host.journal is None
    (warning,) = host.lines("warn")
    assert "config.php is not writable" in warning
    assert "packed live" in warning
    assert host.now < 5


def test_where_occ_cannot_tell_after_a_failed_switch_the_end_of_the_run_tries_to_switch_off() -> None:
    host = plain_host(occ_trouble={"--on": "timeout"})

    def hook(moment: str, number: int, call: str) -> None:
        if call == "stack.run php" and moment == "after" and host.calls.count(call) == 1:
            host.occ_trouble["status"] = "no answer"
        if call == "stack.run php" and moment == "before" and host.calls.count(call) == 2:
            host.maintenance = True  # it came through, late

    host.hook = hook
    assert back_up(host, request_of(Scope.NEXTCLOUD)).problems == ()
    assert not host.maintenance


def test_an_occ_that_cannot_switch_off_at_once_is_asked_until_it_can() -> None:
    host = plain_host()

    def hook(moment: str, number: int, call: str) -> None:
        if call == "tiers.pack" and moment == "after":
            host.boxes["hermes_nextcloud"].since, host.occ_boots_for = host.now, 31.0

    host.hook = hook
    result = back_up(host, request_of(Scope.NEXTCLOUD))
    assert (result.problems, host.maintenance, host.journal) == ((), False, None)
    assert 31 <= result.in_maintenance <= 33


def test_an_occ_that_never_switches_off_is_a_problem_of_a_backup_that_is_whole(tmp_path: Path) -> None:
    host = plain_host(occ_trouble={"--off": "disk full"})
    result = back_up(host, request_of(Scope.NEXTCLOUD))
    verify_backup(saved(host, result.path, tmp_path))
    (problem,) = result.problems
    assert "occ maintenance:mode --off" in problem
    assert host.journal is not None
    assert any("trying again at the end" in line for line in host.lines("warn"))


def test_what_was_stopped_before_a_cold_backup_stays_stopped() -> None:
    host = plain_host()
    for name, state in (("hermes_dovecot", "exited"), ("hermes_postfix_dkim", "paused"), ("hermes_ldap", "created")):
        host.boxes[name].state = state
    host.boxes["hermes_commandbox"].state = "restarting"
    back_up(host, request_of(Scope.ALL, Mode.COLD))
    states = {name: box.state for name, box in host.boxes.items()}
    assert states["hermes_dovecot"] == "exited"
    assert states["hermes_postfix_dkim"] == "paused"
    assert states["hermes_ldap"] == "exited"
    assert {name for name, state in states.items() if state == "running"} == {
        "hermes_authelia",
        "hermes_commandbox",
        "hermes_db_server",
        "hermes_nextcloud",
    }


def test_a_database_that_was_down_gives_the_cold_backup_its_build_number_once_it_serves() -> None:
    host = plain_host()
    host.boxes["hermes_db_server"].state = "exited"
    host.database.boots_for = 90
    result = back_up(host, request_of(Scope.SYSTEM, Mode.COLD))
    assert result.path == f"{OUTPUT}/hermes-backup-system-v260119-20260601T103000Z.tar"
    assert result.manifest.build_no == "v260119"
    assert {path for path in host.files if path.startswith(OUTPUT)} == {result.path}
    assert host.boxes["hermes_db_server"].state == "exited"


def test_a_build_number_that_nobody_can_tell_is_called_unknown() -> None:
    host = plain_host()
    host.database.build_no = None
    result = back_up(host, request_of(Scope.SYSTEM, Mode.COLD))
    assert result.path == f"{OUTPUT}/hermes-backup-system-unknown-20260601T103000Z.tar"
    assert result.manifest.build_no == "unknown"


@pytest.mark.parametrize("name", ["hermes_db_server", "hermes_ldap"])
def test_a_database_that_had_to_be_killed_fails_the_cold_backup(name: str) -> None:
    host = plain_host()
    host.boxes[name].ends_with = 137
    before = host.state()
    with pytest.raises(NotStopped, match=rf"{name} did not stop within 120 s .*`docker logs {name}`"):
        back_up(host, request_of(Scope.VMAIL, Mode.COLD))
    assert host.running() == before.running
    assert host.files == before.files
    assert host.journal is None


def test_another_container_that_had_to_be_killed_is_a_warning() -> None:
    host = plain_host()
    host.boxes["hermes_dovecot"].ends_with = 137
    host.boxes["hermes_commandbox"].ends_with = 143
    back_up(host, request_of(Scope.VMAIL, Mode.COLD))
    assert host.lines("warn") == ["hermes_dovecot did not end by itself and was killed"]


@pytest.mark.parametrize("how", ["dies", "refuses"])
def test_a_container_that_does_not_start_again_leaves_the_backup_and_its_name(how: str, tmp_path: Path) -> None:
    host = plain_host()
    host.boxes["hermes_dovecot"].start = how
    result = back_up(host, request_of(Scope.VMAIL, Mode.COLD))
    verify_backup(saved(host, result.path, tmp_path))
    (problem,) = result.problems
    assert "hermes_dovecot did not start again" in problem
    assert "docker start hermes_dovecot" in problem
    assert host.journal is not None
    assert b"hermes_dovecot" in host.journal


def test_a_container_that_is_gone_for_good_is_no_problem() -> None:
    host = plain_host()

    def hook(moment: str, number: int, call: str) -> None:
        if call == "tiers.pack":
            host.boxes.pop("hermes_dovecot", None)

    host.hook = hook
    assert back_up(host, request_of(Scope.VMAIL, Mode.COLD)).problems == ()


def test_a_full_disk_says_how_far_it_came_and_leaves_nothing() -> None:
    host = plain_host()
    before = host.state()
    host.full_after = SLOT_BYTES + 9000
    with pytest.raises(NoRoom, match=r"no room left in /backups after [1-9][0-9.]* KiB\. Free some space"):
        back_up(host, request_of(Scope.ALL))
    assert host.state() == before


def test_a_tar_that_fails_leaves_nothing() -> None:
    host = plain_host(pack_trouble="tar: ./x: Cannot read: Input/output error")
    before = host.state()
    with pytest.raises(CommandFailed, match="Input/output error"):
        back_up(host, request_of(Scope.VMAIL))
    assert host.state() == before


def test_a_table_altered_meanwhile_is_dumped_again_twice(tmp_path: Path) -> None:
    host = plain_host()
    host.database.trouble["djigzo"] = [ALTERED, ALTERED]
    result = back_up(host, request_of(Scope.SYSTEM))
    dump = contents(host, result, tmp_path)["databases.tar.gz"]["./djigzo.sql"]
    assert dump.count(b"CREATE TABLE `child`") == 1
    assert len([line for line in host.lines("warn") if "djigzo was altered" in line and "1412" in line]) == 2


def test_a_table_altered_a_third_time_fails_the_run() -> None:
    host = plain_host()
    host.database.trouble["djigzo"] = [ALTERED] * 4
    with pytest.raises(SnapshotBroken, match="djigzo"):
        back_up(host, request_of(Scope.SYSTEM))
    assert len(host.database.trouble["djigzo"]) == 1


def test_another_error_of_a_dump_is_not_tried_again() -> None:
    host = plain_host()
    host.database.trouble["djigzo"] = [
        "mariadb-dump: Couldn't execute 'show create table `v`': View 'djigzo.v' (1356)"
    ] * 2
    with pytest.raises(DumpFailed, match="1356"):
        back_up(host, request_of(Scope.SYSTEM))
    assert len(host.database.trouble["djigzo"]) == 1


def test_an_ldif_with_no_entry_fails_the_run() -> None:
    host = plain_host(ldif=b"")
    with pytest.raises(DirectoryExportFailed, match="no entry"):
        back_up(host, request_of(Scope.SYSTEM))
    assert not [path for path in host.files if path.startswith(OUTPUT)]


def test_what_did_not_come_out_as_it_lay_there_is_told_and_never_fails() -> None:
    odd = (b"new\nline", b"caf\xe9", b"\xf0\x9f\x92\xbe")
    host = plain_host()
    host.packed["/mnt/vmail"] = PackReport(
        0,
        0,
        torn=odd,
        packed_again=odd,
        vanished=odd,
        arrived=odd,
        sockets=odd,
        missing=("caf\udce9",),
        remarks=("tar: \x1b odd",),
    )
    result = back_up(host, request_of(Scope.VMAIL))
    names = "new\\nline, caf\\xe9, \U0001f4be"
    assert host.lines("warn") == [
        f"vmail: 3 sockets left out, which no archive can hold: {names}",
        "vmail has no caf\\xe9",
        "vmail: tar: \\x1b odd",
        f"vmail: 3 files were being written each time they were read and may be torn in this backup: {names}",
    ]
    assert f"vmail: 3 files went away before they were read: {names}" in host.lines("info")
    assert f"vmail: 3 entries came or moved while the tier was read, and were added: {names}" in host.lines("info")
    assert f"vmail: 3 files changed while they were read, and were read again: {names}" in host.lines("info")
    assert result.manifest.changed_files == {"vmail": ChangedFiles(3, ("new\\nline", "caf\\xe9", "\U0001f4be"))}


def test_a_flood_of_torn_files_is_counted_and_still_fits_the_manifests_slot(tmp_path: Path) -> None:
    host = plain_host()
    for tier, root in ((Tier.ARCHIVE, "/mnt/archive"), (Tier.VMAIL, "/mnt/vmail"), (Tier.DATA, "/mnt/data")):
        assert tier in Scope.ALL.tiers
        torn = tuple(b"\xff\x01\xf0\x9f\x92\xbe%d" % number + b"\xe9" * 100 for number in range(4000))
        host.packed[root] = PackReport(0, 0, torn=torn)
    result = back_up(host, request_of(Scope.ALL))
    backup = verify_backup(saved(host, result.path, tmp_path))
    changed = backup.manifest.changed_files
    assert [changed[name].count for name in ("data", "archive", "vmail")] == [4000, 4000, 4000]
    assert len(changed["vmail"].names) > 10
    (line,) = [line for line in host.lines("warn") if line.startswith("vmail")]
    assert line.endswith(" and 3990 more")


def test_the_manifest_has_the_compose_project_and_the_paths_as_the_operator_wrote_them(tmp_path: Path) -> None:
    host = plain_host(links={"/mnt/vmail": "/disks/mail"})
    host.add("/disks/mail/example.com/bob/cur/1", b"mail")
    result = back_up(host, request_of(Scope.VMAIL))
    with BackupReader(saved(host, result.path, tmp_path)) as reader:
        manifest = Manifest.parse(reader.manifest_bytes())
    assert manifest.topology.vmail == "/mnt/vmail"
    assert manifest.compose is not None
    assert (manifest.compose.project, manifest.compose.volumes) == ("hermes", host.volumes)
    assert list(contents(host, result, tmp_path)["vmail.tar.gz"]) == ["./example.com/bob/cur/1"]


def test_a_backup_folder_inside_a_tier_is_left_out_of_it(tmp_path: Path) -> None:
    host = plain_host()
    host.links["/backups"] = "/mnt/vmail/backups"
    host.add("/mnt/vmail/backups/hermes-backup-vmail-v1-20250601T103000Z.tar", b"an older one")
    result = back_up(host, request_of(Scope.VMAIL))
    assert list(contents(host, result, tmp_path)["vmail.tar.gz"]) == ["./example.com/alice/cur/1"]


def test_a_finished_backup_is_a_plain_tar_that_begins_with_its_manifest() -> None:
    host = plain_host()
    result = back_up(host, request_of(Scope.ALL))
    with tarfile.open(fileobj=io.BytesIO(host.files[result.path]), mode="r:") as tar:
        names = tar.getnames()
        modes = {info.mode for info in tar}
    assert names[0] == "backup_manifest.json"
    assert set(names[1:]) == set(result.manifest.members)
    assert modes == {0o600}
