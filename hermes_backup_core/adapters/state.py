"""What a run keeps on disk about itself: the lock, and the journal that the next run reads if this one is killed."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen

from hermes_backup_core.domain.errors import HermesBackupError
from hermes_backup_core.domain.record import RunRecord

STATE_FOLDER = "/var/lib/hermes-backup"
"""Survives a reboot, and lies in no tier: neither a restore nor a `git clean` of the install root touches it."""


@frozen
class Busy(HermesBackupError):
    """Another run is under way on this install root."""

    holder: str

    def __str__(self) -> str:
        return f"another run is under way on this host: {self.holder}. Wait until it has ended, then run this again."


@frozen
class RunState:
    """The lock and the journal of one install root, in a folder of its own below ``base``."""

    folder: Path

    @classmethod
    def of(cls, root: str, base: str = STATE_FOLDER) -> RunState:
        """Return the state of the install root ``root``, by whatever path it is called."""
        path = os.path.realpath(root)
        digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:8]
        return cls(Path(base) / f"{os.path.basename(path)}-{digest}")

    @property
    def _journal(self) -> Path:
        return self.folder / "journal.json"

    @contextmanager
    def locked(self, holder: RunRecord) -> Iterator[None]:
        """Hold the lock during the body, and name ``holder`` in it; raises `Busy` where another run has it."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # The file stays: were it removed, two runs could hold the locks of two different files.
        with os.fdopen(os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "r+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as err:
                raise Busy(_holder(file.read())) from err
            _rewrite(file.fileno(), holder.render())
            try:
                yield
            finally:
                _rewrite(file.fileno(), b"")

    def read(self) -> RunRecord | None:
        """Return what a run that never ended left, or None; raises `RecordError` where it is damaged."""
        try:
            return RunRecord.parse(self._journal.read_bytes())
        except FileNotFoundError:
            return None

    def write(self, record: RunRecord) -> None:
        """Keep ``record``, on the disk before this returns."""
        fresh = self.folder / "journal.json.new"
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "wb") as file:
            file.write(record.render())
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._journal)
        flush_folder(self.folder)

    def clear(self) -> None:
        """Forget: the run has ended and left nothing."""
        self._journal.unlink(missing_ok=True)
        flush_folder(self.folder)


def flush_folder(folder: str | Path) -> None:
    """Bring the names in ``folder`` to the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _rewrite(descriptor: int, content: bytes) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, content, 0)


def _holder(content: str) -> str:
    try:
        record = RunRecord.parse(content.encode())
    except HermesBackupError:
        return "it has not said yet which"
    return f"pid {record.pid}, `{record.command}`, since {record.since}"
