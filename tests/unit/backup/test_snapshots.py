"""Tiers packed from snapshots: what is in the backup, what is live meanwhile, and what happens where one fails."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from hermes_backup_core import read_backup
from hermes_backup_core.backup.result import BackupResult
from hermes_backup_core.domain.errors import CommandFailed, Refused, SnapshotFailed
from hermes_backup_core.domain.paths import join
from hermes_backup_core.domain.plan import BackupRequest
from hermes_backup_core.domain.record import RunRecord
from hermes_backup_core.domain.scope import Mode, Scope, Tier
from hermes_backup_core.domain.snapshots import Ground, SnapshotKind, SnapshotPolicy, Volume, is_snapshot
from tests.unit.fakes.host import MemoryHost, one_disk_host, plain_host
from tests.unit.fakes.snapshots import subvolume
from tests.unit.fakes.wiring import RECORD, back_up, job_of, request_of, saved

VMAIL, FILES = "/mnt/vmail", "/mnt/files"
LATE = "/mnt/vmail/example.com/alice/cur/2"


def wished(scope: Scope = Scope.ALL, mode: Mode = Mode.HOT, maintenance: bool = True) -> BackupRequest:
    return request_of(scope, mode, maintenance, SnapshotPolicy.WISHED)


def required(scope: Scope = Scope.ALL, mode: Mode = Mode.HOT) -> BackupRequest:
    return request_of(scope, mode, snapshot=SnapshotPolicy.REQUIRED)


def snapshot_host(*roots: str) -> MemoryHost:
    host = plain_host()
    host.grounds = {root: subvolume(root) for root in roots or (VMAIL, FILES)}
    return host


def at_call(host: MemoryHost, call: str, act: Callable[[], None], moment: str = "before") -> None:
    """Have ``act`` done at each such call."""
    host.hook = lambda now, _, name: act() if (now, name) == (moment, call) else None


def names(host: MemoryHost, result: BackupResult, member: str, folder: Path) -> list[str]:
    with tarfile.open(saved(host, result.path, folder)) as tar:
        content = tar.extractfile(member)
        assert content
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(content.read()))) as inner:
            return inner.getnames()


def left_of_snapshots(host: MemoryHost) -> list[str]:
    return [path for path in (*host.folders, *host.files) if any(map(is_snapshot, path.split("/")))]


def test_what_comes_after_the_snapshot_is_not_in_the_backup(tmp_path: Path) -> None:
    host = snapshot_host()
    at_call(host, "tiers.pack", lambda: host.add(LATE, b"late"))
    result = back_up(host, wished(Scope.VMAIL))
    assert names(host, result, "vmail.tar.gz", tmp_path) == ["./example.com/alice/cur/1"]
    assert LATE in host.files
    assert left_of_snapshots(host) == []
    assert read_backup(saved(host, result.path, tmp_path)).manifest.snapshots == {"vmail": "btrfs"}


def test_maintenance_is_over_when_the_snapshot_stands() -> None:
    host = snapshot_host()
    seen: list[bool] = []
    at_call(host, "tiers.pack", lambda: seen.append(host.maintenance))
    host.takes = {"tiers.pack": 600.0, "snapshots.take": 1.0}
    result = back_up(host, wished())
    assert seen == [False] * 5
    assert 2.0 <= result.in_maintenance < 20.0


def test_a_cold_backup_has_the_stack_up_again_before_it_reads_what_the_snapshots_hold() -> None:
    host = snapshot_host("/mnt/data", VMAIL, FILES)
    running = host.running()
    seen: list[bool] = []
    at_call(host, "tiers.pack", lambda: seen.append(host.running() == running))
    back_up(host, wished(mode=Mode.COLD))
    assert seen == [False, False, True, True, True]


def test_tiers_of_one_disk_share_one_snapshot_which_is_in_no_archive(tmp_path: Path) -> None:
    host = one_disk_host()
    host.grounds = {"/mnt/one": subvolume("/mnt/one")}
    result = back_up(host, wished())
    assert host.calls.count("snapshots.take") == 1
    packed = [name for tier in Tier for name in names(host, result, tier.member, tmp_path)]
    assert [name for name in packed if any(map(is_snapshot, name.split("/")))] == []
    assert "./dovecot/example.com/alice/cur/1" in packed
    assert left_of_snapshots(host) == []


def test_the_record_tells_of_a_snapshot_before_it_is_made() -> None:
    host = snapshot_host()
    seen: list[tuple[int, int]] = []

    def look() -> None:
        assert host.journal
        seen.append((len(RunRecord.parse(host.journal).snapshots), len(left_of_snapshots(host))))

    at_call(host, "snapshots.take", look)
    back_up(host, wished())
    assert [recorded for recorded, _ in seen] == [1, 2]
    assert seen[0] == (1, 0)


def test_a_snapshot_that_cannot_be_made_is_a_failure_where_it_is_required() -> None:
    host = snapshot_host("/mnt/archive", VMAIL)
    host.snapshot_trouble = {VMAIL: "No space left on device"}
    before = host.state()
    with pytest.raises(SnapshotFailed, match=r"of /mnt/vmail failed: .*No space left on device.*without --snapshot"):
        plan, _ = job_of(host).prepare(required())
        job_of(host).carry_out(plan, RECORD, host.shield)
    assert host.state().same_for_users(before)
    assert host.journal is None


def test_it_is_a_warning_where_it_is_wished_and_the_tier_is_packed_as_it_lies_there(tmp_path: Path) -> None:
    host = snapshot_host()
    host.snapshot_trouble = {VMAIL: "No space left on device"}
    at_call(host, "tiers.pack", lambda: host.add(LATE, b"late"))
    result = back_up(host, wished())
    assert "./example.com/alice/cur/2" in names(host, result, "vmail.tar.gz", tmp_path)
    (warning,) = [text for text in host.lines("warn") if "No space left" in text]
    assert warning.endswith("So this is packed as it lies there: vmail")
    assert result.manifest.snapshots == {"nextcloud": "btrfs"}


def test_nextcloud_is_packed_within_its_maintenance_where_its_snapshot_fails() -> None:
    host = snapshot_host()
    host.snapshot_trouble = {FILES: "No space left on device"}
    seen: list[bool] = []
    at_call(host, "tiers.pack", lambda: seen.append(host.maintenance))
    result = back_up(host, wished())
    assert seen == [True, False, False, False, False]
    assert len(result.manifest.archives) == 7


def test_a_cold_backup_packs_with_the_stack_down_where_a_snapshot_fails() -> None:
    host = snapshot_host()
    host.snapshot_trouble = {VMAIL: "No space left on device"}
    seen: list[bool] = []
    at_call(host, "tiers.pack", lambda: seen.append(bool(host.running())))
    back_up(host, wished(mode=Mode.COLD))
    assert seen == [False, False, False, False, True]


def test_a_tier_that_cannot_is_refused_before_any_work_where_snapshots_are_required() -> None:
    host = snapshot_host(VMAIL)
    with pytest.raises(Refused, match="4 things stand in the way"):
        back_up(host, required())
    assert "snapshots.take" not in host.calls


def test_a_snapshot_that_has_overflowed_is_a_failure_whatever_tar_said() -> None:
    for trouble in ("", "tar: ./x: Read error: Input/output error"):
        host = snapshot_host()
        host.grounds[VMAIL] = Ground(Volume(SnapshotKind.LVM, "vg/mail", "lvm vg/mail", VMAIL, filesystem="ext4"))
        host.snapshot_overflow = {"vg/mail": "it ran full"}
        host.pack_trouble = trouble
        before = host.state()
        with pytest.raises(SnapshotFailed, match="the snapshot of vg/mail failed: it ran full"):
            back_up(host, wished(Scope.VMAIL))
        assert host.state().same_for_users(before)


def test_a_tar_that_fails_for_another_reason_is_told_as_ever() -> None:
    host = snapshot_host()
    host.pack_trouble = "tar: killed"
    with pytest.raises(CommandFailed, match="killed"):
        back_up(host, wished(Scope.VMAIL))
    assert left_of_snapshots(host) == []


def test_a_snapshot_that_stays_leaves_the_backup_whole_and_is_told_with_what_to_type() -> None:
    host = snapshot_host()
    host.snapshot_stays = {VMAIL: "Device or resource busy"}
    result = back_up(host, wished(Scope.VMAIL))
    (problem,) = result.problems
    assert "could not be removed (Device or resource busy): run `btrfs subvolume delete /mnt/vmail/." in problem
    assert host.journal
    assert result.path in host.files
    with pytest.raises(Refused, match="btrfs subvolume delete"):
        put_right(host)
    host.snapshot_stays = {}
    put_right(host)
    assert left_of_snapshots(host) == []
    assert "removed the snapshot of /mnt/vmail" in host.lines("info")
    assert host.journal is None


def put_right(host: MemoryHost) -> None:
    job = job_of(host)
    record = job.leftovers()
    assert record
    job.put_right(record)


def test_what_an_unremembered_run_left_is_packed_by_nobody_and_is_no_stray(tmp_path: Path) -> None:
    host = one_disk_host()
    forgotten = "/mnt/one/.hermes-backup-snapshot-20250101T000000Z-12345678-1"
    host.add(join(forgotten, "dovecot/mail"), b"old")
    result = back_up(host, request_of())
    assert [name for tier in Tier for name in names(host, result, tier.member, tmp_path) if "snapshot" in name] == []
    _, verdict = job_of(host).prepare(request_of())
    assert not [text for text in verdict.warnings if "no tier owns it" in text]
    (warning,) = [text for text in verdict.warnings if "left its snapshot" in text]
    assert warning.endswith(f"if none is under way, run `btrfs subvolume delete {forgotten}`")


def test_a_tier_with_nothing_but_a_forgotten_snapshot_is_empty() -> None:
    host = plain_host()
    host.files = {path: content for path, content in host.files.items() if not path.startswith("/mnt/archive")}
    host.folders = {path for path in host.folders if not path.startswith("/mnt/archive/")}
    host.add_folder("/mnt/archive/.hermes-backup-snapshot-20250101T000000Z-12345678-1")
    _, verdict = job_of(host).prepare(request_of(Scope.ARCHIVE))
    assert any("is empty, as an unmounted disk would be" in text for text in verdict.refusals)
