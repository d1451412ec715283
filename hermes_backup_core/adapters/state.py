"""What a run keeps on disk about itself: the lock, and the journals that the next run reads if this one is killed."""

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
from hermes_backup_core.domain.restore_record import RestoreRecord

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
        return cls(_folder_of(root, base))

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
        _put(self._journal, record.render())

    def clear(self) -> None:
        """Forget: the run has ended and left nothing."""
        self._journal.unlink(missing_ok=True)
        flush_folder(self.folder)


@frozen
class RestoreState:
    """The journal of the install root's restore, and what it kept, beside the `RunState` whose lock guards both."""

    folder: Path

    @classmethod
    def of(cls, root: str, base: str = STATE_FOLDER) -> RestoreState:
        """Return the state of the install root ``root``, by whatever path it is called."""
        return cls(_folder_of(root, base))

    @property
    def _journal(self) -> Path:
        return self.folder / "restore.json"

    @property
    def _ended(self) -> Path:
        return self.folder / "restore.ended"

    def read(self) -> RestoreRecord | None:
        """Return what a restore that never ended left, or None; raises `RestoreRecordError` where it is damaged."""
        try:
            return RestoreRecord.parse(self._journal.read_bytes())
        except FileNotFoundError:
            return None

    def write(self, record: RestoreRecord) -> None:
        """Keep ``record``, on the disk before this returns."""
        self._clear_to_its_end()
        _put(self._journal, record.render())

    def keep(self, name: str, content: bytes) -> None:
        """Keep ``content`` as ``name`` beside the record, on the disk before this returns."""
        self._clear_to_its_end()
        _put(self._kept(name), content)

    def kept(self, name: str) -> bytes | None:
        """Return what was kept as ``name``, or None."""
        self._clear_to_its_end()
        try:
            return self._kept(name).read_bytes()
        except FileNotFoundError:
            return None

    def clear(self) -> None:
        """Forget the record and all that was kept: the whole, whenever this is broken off."""
        if self._journal.exists():
            self._journal.replace(self._ended)
            flush_folder(self.folder)
        self._remove_kept()

    def _clear_to_its_end(self) -> None:
        """Or what an earlier restore kept would be taken for this one's."""
        if self._ended.exists():
            self._remove_kept()

    def _remove_kept(self) -> None:
        for path in self.folder.glob("restore-*"):
            path.unlink()
        self._ended.unlink(missing_ok=True)
        flush_folder(self.folder)

    def _kept(self, name: str) -> Path:
        return self.folder / f"restore-{name}"


def flush_folder(folder: str | Path) -> None:
    """Bring the names in ``folder`` to the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _folder_of(root: str, base: str) -> Path:
    path = os.path.realpath(root)
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:8]
    return Path(base) / f"{os.path.basename(path)}-{digest}"


def _put(path: Path, content: bytes) -> None:
    """Let ``path`` hold ``content``, on the disk before this returns; all of it or what was there before."""
    fresh = path.with_name(f"{path.name}.new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    flush_folder(path.parent)


def _rewrite(descriptor: int, content: bytes) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, content, 0)


def _holder(content: str) -> str:
    try:
        record = RunRecord.parse(content.encode())
    except HermesBackupError:
        return "it has not said yet which"
    return f"pid {record.pid}, `{record.command}`, since {record.since}"
