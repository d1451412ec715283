"""The record of a restore under way: brought to the disk before each step, so that whoever comes next knows."""

from __future__ import annotations

from attrs import define, evolve

from hermes_backup_core.domain.restore_record import Direction, RestoreRecord
from hermes_backup_core.domain.swap import Swap
from hermes_backup_core.restore_ports import RestoreJournal


@define
class Ledger:
    """Keeps ``record`` on the disk; every change is there before it counts."""

    record: RestoreRecord
    journal: RestoreJournal

    def begin(self, number: int, direction: Direction = Direction.FORWARD) -> None:
        """Say that step ``number`` is about to be done, or taken back."""
        self._keep(self.record.at(number, direction))

    def swap(self, name: str, swap: Swap) -> None:
        """Say which renames are about to be made for ``name``."""
        self._keep(self.record.with_swap(name, swap))

    def own(self, pid: int, command: str, since: str) -> None:
        """Say which run goes on with it."""
        self._keep(evolve(self.record, pid=pid, command=command, since=since))

    def close(self) -> None:
        """Forget it: the restore is through, or taken back."""
        self.journal.clear()

    def _keep(self, record: RestoreRecord) -> None:
        self.journal.write(record)
        self.record = record
