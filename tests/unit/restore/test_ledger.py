"""The record of a restore under way: on the disk before it counts."""

from __future__ import annotations

import errno

import pytest

from hermes_backup_core.domain.restore_record import Direction, RestoreRecord
from hermes_backup_core.domain.scope import Scope
from hermes_backup_core.domain.swap import Swap
from hermes_backup_core.restore.ledger import Ledger
from tests.unit.fakes.host import MemoryHost
from tests.unit.fakes.watching import MemoryRestoreJournal
from tests.unit.restore.restores import case_of

SWAP = Swap("/mnt/vmail", (), (), ())


@pytest.fixture(scope="module")
def record() -> RestoreRecord:
    plan = case_of(Scope.VMAIL).prospect.plan
    assert plan is not None
    return RestoreRecord(1, "first", "then", plan)


def test_every_change_is_on_the_disk_and_in_the_record(record: RestoreRecord) -> None:
    journal = MemoryRestoreJournal(MemoryHost())
    ledger = Ledger(record, journal)
    ledger.begin(2)
    ledger.swap("vmail", SWAP)
    ledger.own(2, "second", "now")
    ledger.begin(1, Direction.BACK)
    found = journal.read()
    assert found == ledger.record
    assert (found.begun, found.direction, found.swaps) == (1, Direction.BACK, {"vmail": SWAP})
    assert (found.pid, found.command, found.since) == (2, "second", "now")
    ledger.close()
    assert journal.read() is None


def test_what_is_not_on_the_disk_does_not_count(record: RestoreRecord) -> None:
    host = MemoryHost()
    ledger = Ledger(record, MemoryRestoreJournal(host))
    ledger.begin(1)

    def hook(moment: str, number: int, call: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    host.hook = hook
    with pytest.raises(OSError, match="No space"):
        ledger.begin(2)
    with pytest.raises(OSError, match="No space"):
        ledger.swap("vmail", SWAP)
    with pytest.raises(OSError, match="No space"):
        ledger.own(2, "", "")
    assert ledger.record == record.at(1)
