"""The record of a run comes back from the disk as it went there."""

from __future__ import annotations

import pytest

from hermes_backup_core.domain.record import RecordError, RunRecord
from hermes_backup_core.domain.scope import Tier
from hermes_backup_core.domain.snapshots import Snapshot, SnapshotKind

LVM = Snapshot(SnapshotKind.LVM, "a/b", "a/c", "/run/x", tuple(Tier), 9, "xfs")


@pytest.mark.parametrize(
    "record",
    [
        RunRecord(1, "system_backup.sh", "2026-06-01 12:30:00"),
        RunRecord(1, "x", "now", snapshots=(LVM,)),
        RunRecord(1, 'a "b" \\ \n', "x", "/mnt/caf\udce9/x.partial", True, ("a", "b"), ("c",)),
    ],
)
def test_a_record_is_read_back(record: RunRecord) -> None:
    assert RunRecord.parse(record.render()) == record


def test_a_record_of_a_version_that_knew_no_snapshots_is_read() -> None:
    older = b'{"pid": 1, "command": "x", "since": "now", "partial": "/b/x.partial"}'
    assert RunRecord.parse(older) == RunRecord(1, "x", "now", "/b/x.partial")


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"null", b"{}", b'{"pid": "x", "command": "y"}', b"\xff", b"\0" * 100]
)
def test_a_record_that_is_damaged_is_named_as_such(data: bytes) -> None:
    with pytest.raises(RecordError, match="cannot be read"):
        RunRecord.parse(data)
