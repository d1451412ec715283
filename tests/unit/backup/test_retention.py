"""Retention: what is looked at, what is removed and in which order, and what can go wrong with it."""

from __future__ import annotations

import errno

import pytest
from attrs import evolve

from hermes_backup_core.archive.backup_file import Backup
from hermes_backup_core.archive.reader import DamagedBackup
from hermes_backup_core.backup.retention import Retention
from hermes_backup_core.domain.naming import BackupName
from hermes_backup_core.domain.retention import RetentionPolicy
from hermes_backup_core.domain.scope import Scope
from tests.backups import manifest_of
from tests.unit.cli.results import result_of
from tests.unit.fakes.files import MemoryFiles
from tests.unit.fakes.host import OUTPUT, MemoryHost, plain_host
from tests.unit.fakes.watching import MemoryReporter
from tests.unit.fakes.wiring import back_up, job_of, request_of

STAMPS = ("20260601T103000Z", "20260531T103000Z", "20260530T103000Z", "20260529T103000Z")
POLICY = RetentionPolicy(last=2)


def name_of(stamp: str, scope: Scope = Scope.VMAIL) -> BackupName:
    return BackupName(scope, "v1", stamp)


def host_with(*names: BackupName) -> MemoryHost:
    """A host with these backups, each with its logs; a file's content is what it is damaged by, if anything."""
    host = plain_host()
    for name in names:
        for file in (name.tarball, name.log, name.restore_log):
            host.add(f"{OUTPUT}/{file}")
    return host


def retention_of(host: MemoryHost) -> Retention:
    def read(path: str) -> Backup:
        damage = MemoryFiles(host).read(path).decode()
        name = BackupName.parse(path.rpartition("/")[2])
        assert name
        if damage.startswith("hermes-backup"):  # what it was before somebody renamed it
            name = BackupName.parse(damage)
            assert name
        elif damage:
            raise DamagedBackup(path, damage)
        return Backup(path, manifest_of(name, {}))

    return Retention(MemoryFiles(host), MemoryReporter(host), read)


def path_of(name: BackupName) -> str:
    return f"{OUTPUT}/{name.tarball}"


def left_in(host: MemoryHost) -> set[str]:
    return set(MemoryFiles(host).names(OUTPUT))


def files_of(*names: BackupName) -> set[str]:
    return {file for name in names for file in (name.tarball, name.log, name.restore_log)}


NAMES = tuple(map(name_of, STAMPS))


def test_what_no_rule_keeps_goes_with_its_logs_the_oldest_first_and_each_tarball_before_them() -> None:
    host = host_with(*NAMES)
    order: list[str] = []
    before = left_in(host)

    def watch(moment: str, _number: int, call: str) -> None:
        if (moment, call) == ("after", "files.remove"):
            order.extend(before - set(host.below(OUTPUT)) - set(order))

    host.hook = watch
    retention_of(host).carry_out(POLICY, path_of(NAMES[0]))
    assert left_in(host) == files_of(*NAMES[:2])
    assert order == [
        *(NAMES[3].tarball, NAMES[3].log, NAMES[3].restore_log),
        *(NAMES[2].tarball, NAMES[2].log, NAMES[2].restore_log),
    ]
    assert host.lines("section") == ["Retention"]
    assert host.lines("info") == [
        f"{NAMES[0].tarball} stays: the new one, last 1 of 2",
        f"{NAMES[1].tarball} stays: last 2 of 2",
        f"removed {NAMES[3].tarball} and its logs",
        f"removed {NAMES[2].tarball} and its logs",
    ]
    assert host.lines("warn") == []


def test_nothing_else_in_the_folder_is_touched_whatever_it_is() -> None:
    host = host_with(*NAMES)
    old = name_of("20200101T000000Z")
    others = {f"{OUTPUT}/{old.partial}", f"{OUTPUT}/x-{old.tarball}", f"{OUTPUT}/{old.tarball}.orig", f"{OUTPUT}/b.tar"}
    others |= {path_of(name_of(STAMPS[3], scope)) for scope in Scope if scope is not Scope.VMAIL}
    for path in others:
        host.add(path)
    host.add_folder(path_of(name_of("20200102T000000Z")))
    host.links[path_of(name_of("20200103T000000Z"))] = path_of(NAMES[3])
    before = left_in(host)
    retention_of(host).carry_out(POLICY, path_of(NAMES[0]))
    assert before - left_in(host) == files_of(*NAMES[2:])


def test_a_pinned_one_stays_and_counts() -> None:
    host = host_with(*NAMES)
    for name in (NAMES[1], NAMES[3]):
        host.add(f"{OUTPUT}/{name.pin}")
    retention_of(host).carry_out(POLICY, path_of(NAMES[0]))
    assert left_in(host) == files_of(NAMES[0], NAMES[1], NAMES[3]) | {NAMES[1].pin, NAMES[3].pin}
    assert f"{NAMES[3].tarball} stays: pinned" in host.lines("info")


def test_one_that_is_pinned_at_the_last_moment_stays() -> None:
    host = host_with(*NAMES)

    def pin(moment: str, _number: int, call: str) -> None:
        if (moment, call) == ("after", "files.remove"):
            host.add(f"{OUTPUT}/{NAMES[2].pin}")

    host.hook = pin
    retention_of(host).carry_out(POLICY, path_of(NAMES[0]))
    assert left_in(host) == files_of(*NAMES[:3]) | {NAMES[2].pin}
    assert f"{NAMES[2].tarball} stays: pinned meanwhile" in host.lines("info")


def test_damaged_ones_do_not_count_are_left_and_are_named() -> None:
    host = host_with(*NAMES)
    host.files[path_of(NAMES[1])] = b"it breaks off"
    host.files[path_of(NAMES[3])] = f"hermes-backup-all-v1-{STAMPS[3]}.tar".encode()
    old = name_of("20260501T103000Z")
    host.add(path_of(old), NAMES[3].tarball.encode())
    retention_of(host).carry_out(RetentionPolicy(last=1), path_of(NAMES[0]))
    assert left_in(host) == files_of(NAMES[0], NAMES[1], NAMES[3]) | {old.tarball}
    said = [line.partition(" is left and counts for nothing: ") for line in host.lines("warn")]
    assert {name: problem for name, _, problem in said} == {
        NAMES[1].tarball: f"{path_of(NAMES[1])} is damaged: it breaks off. Copy it here again, or take another.",
        NAMES[3].tarball: f"it holds a backup of scope all, {STAMPS[3]}; give it that name back",
        old.tarball: f"it holds a backup of scope vmail, {STAMPS[3]}; give it that name back",
    }


def test_one_that_cannot_be_read_now_is_left() -> None:
    host = host_with(*NAMES)
    whole = retention_of(host).read

    def read(path: str) -> Backup:
        if path == path_of(NAMES[3]):
            raise OSError(errno.EIO, "Input/output error")
        return whole(path)

    evolve(retention_of(host), read=read).carry_out(POLICY, path_of(NAMES[0]))
    assert left_in(host) == files_of(NAMES[0], NAMES[1], NAMES[3])
    assert "it cannot be read (Input/output error)" in host.lines("warn")[0]


def test_the_new_one_stays_where_the_clock_went_back() -> None:
    host = host_with(*NAMES)
    retention_of(host).carry_out(POLICY, path_of(NAMES[3]))
    assert left_in(host) == files_of(NAMES[0], NAMES[1], NAMES[3])
    assert f"{NAMES[3].tarball} stays: the new one" in host.lines("info")


@pytest.mark.parametrize("damage", [b"it breaks off", None])
def test_where_the_new_one_does_not_read_as_whole_nothing_goes(damage: bytes | None) -> None:
    host = host_with(*NAMES)
    if damage is None:
        del host.files[path_of(NAMES[0])]
    else:
        host.files[path_of(NAMES[0])] = damage
    before = left_in(host)
    retention_of(host).carry_out(POLICY, path_of(NAMES[0]))
    assert left_in(host) == before
    (warning,) = host.lines("warn")
    assert warning.startswith(f"no older backup was removed: {path_of(NAMES[0])} does not read as the backup")


def test_a_new_one_by_another_name_is_no_reason_to_remove_any() -> None:
    host = host_with(*NAMES)
    retention_of(host).carry_out(POLICY, f"{OUTPUT}/b.tar")
    assert left_in(host) == files_of(*NAMES)
    assert len(host.lines("warn")) == 1


def test_a_folder_that_cannot_be_listed_is_a_warning() -> None:
    host = host_with(*NAMES)

    def refuse(moment: str, _number: int, call: str) -> None:
        if (moment, call) == ("before", "files.names"):
            raise PermissionError(errno.EACCES, "Permission denied")

    host.hook = refuse
    retention_of(host).carry_out(POLICY, path_of(NAMES[0]))
    assert host.lines("warn") == ["no older backup was removed: [Errno 13] Permission denied"]


@pytest.mark.parametrize(("refused", "kept"), [(1, files_of(NAMES[3])), (2, {NAMES[3].log, NAMES[3].restore_log})])
def test_what_cannot_be_removed_is_named_and_the_others_go(refused: int, kept: set[str]) -> None:
    """A tarball that stays keeps its logs."""
    host = host_with(*NAMES)
    count = 0

    def refuse(moment: str, _number: int, call: str) -> None:
        nonlocal count
        if (moment, call) == ("before", "files.remove"):
            count += 1
            if count == refused:
                raise PermissionError(errno.EPERM, "Operation not permitted")

    host.hook = refuse
    retention_of(host).carry_out(POLICY, path_of(NAMES[0]))
    assert left_in(host) == files_of(*NAMES[:2]) | kept
    file = (NAMES[3].tarball, NAMES[3].log)[refused - 1]
    assert host.lines("warn") == [f"{OUTPUT}/{file} could not be removed (Operation not permitted): remove it by hand"]


def test_a_backup_below_the_file_system_s_root_is_found() -> None:
    host = plain_host()
    for name in NAMES:
        host.add(f"/{name.tarball}")
    retention_of(host).carry_out(POLICY, f"/{NAMES[0].tarball}")
    assert {path for path in host.files if path.endswith(".tar")} == {f"/{name.tarball}" for name in NAMES[:2]}


def test_a_look_counts_the_one_that_is_to_come_and_changes_nothing() -> None:
    host = host_with(*NAMES[1:])
    before = host.state()
    host.links["/other"] = OUTPUT
    plan = retention_of(host).look(POLICY, Scope.VMAIL, OUTPUT, new=NAMES[0], restoring=f"/other/{NAMES[3].tarball}")
    retention_of(host).tell(plan)
    assert host.lines("info") == [
        f"{NAMES[0].tarball} stays: the new one, last 1 of 2",
        f"{NAMES[1].tarball} stays: last 2 of 2",
        f"{NAMES[3].tarball} stays: being restored",
    ]
    assert plan.gone == (NAMES[2],)
    host.links.clear()
    assert host.state() == before


def test_a_look_without_a_new_one_counts_what_is_there() -> None:
    plan = retention_of(host_with(*NAMES)).look(POLICY, Scope.VMAIL, OUTPUT)
    assert plan.gone == NAMES[2:]


def test_a_job_retains_after_a_success_in_full_and_never_otherwise() -> None:
    host = plain_host()
    result = back_up(host, request_of(Scope.VMAIL))
    job_of(host).retain(POLICY, result_of(problems=("b did not start again",)))
    assert host.lines("section") == []
    job_of(host).retain(POLICY, result)
    assert host.lines("section") == ["Retention"]
