"""The record of a run comes back from the disk as it went there."""

from __future__ import annotations

import pytest

from hermes_backup_core.domain.record import RecordError, RunRecord


@pytest.mark.parametrize(
    "record",
    [
        RunRecord(1, "system_backup.sh", "2026-06-01 12:30:00"),
        RunRecord(1, 'a "b" \\ \n', "x", "/mnt/caf\udce9/x.partial", True, ("a", "b"), ("c",)),
    ],
)
def test_a_record_is_read_back(record: RunRecord) -> None:
    assert RunRecord.parse(record.render()) == record


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"null", b"{}", b'{"pid": "x", "command": "y"}', b"\xff", b"\0" * 100]
)
def test_a_record_that_is_damaged_is_named_as_such(data: bytes) -> None:
    with pytest.raises(RecordError, match="cannot be read"):
        RunRecord.parse(data)
