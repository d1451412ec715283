"""The fakes of who keeps time, watches, and remembers: clock, reporter, journal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone

from attrs import define

from hermes_backup_core.domain.record import RunRecord
from hermes_backup_core.domain.restore_record import RestoreRecord
from tests.unit.fakes.host import MemoryHost

BEGINNING = datetime(2026, 6, 1, 10, 30, tzinfo=timezone.utc)


@define
class MemoryClock:
    """Time that moves only when somebody sleeps or works."""

    host: MemoryHost

    def now(self) -> datetime:
        return BEGINNING + timedelta(seconds=self.host.now)

    def monotonic(self) -> float:
        return self.host.now

    def sleep(self, seconds: float) -> None:
        with self.host.port("clock.sleep"):
            self.host.now += seconds


@define
class MemoryReporter:
    """Keeps what it is told in ``MemoryHost.said``."""

    host: MemoryHost

    def section(self, title: str) -> None:
        self.host.said.append(("section", title))

    def info(self, text: str) -> None:
        self.host.said.append(("info", text))

    def warn(self, text: str) -> None:
        self.host.said.append(("warn", text))

    @contextmanager
    def progress(self, task: str, total: int | None) -> Iterator[Callable[[int], None]]:
        done = 0

        def advance(count: int) -> None:
            nonlocal done
            assert count >= done, f"{task} went back from {done} to {count}"
            done = count

        yield advance
        self.host.said.append(("progress", f"{task}: {done} of {total}"))


@define
class MemoryJournal:
    """Keeps the record as the bytes that a disk would hold."""

    host: MemoryHost

    def read(self) -> RunRecord | None:
        return None if self.host.journal is None else RunRecord.parse(self.host.journal)

    def write(self, record: RunRecord) -> None:
        with self.host.port("journal.write"):
            self.host.journal = record.render()

    def clear(self) -> None:
        with self.host.port("journal.clear"):
            self.host.journal = None


@define
class MemoryRestoreJournal:
    """Keeps the record, and what is kept beside it, as the bytes that a disk would hold."""

    host: MemoryHost

    def read(self) -> RestoreRecord | None:
        return None if self.host.restore_journal is None else RestoreRecord.parse(self.host.restore_journal)

    def write(self, record: RestoreRecord) -> None:
        with self.host.port("journal.restore.write"):
            self.host.restore_journal = record.render()

    def keep(self, name: str, content: bytes) -> None:
        with self.host.port("journal.restore.keep"):
            self.host.kept[name] = content

    def kept(self, name: str) -> bytes | None:
        with self.host.port("journal.restore.kept"):
            return self.host.kept.get(name)

    def clear(self) -> None:
        with self.host.port("journal.restore.clear"):
            self.host.restore_journal = None
            self.host.kept.clear()
