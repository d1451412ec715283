"""What a run has changed on the host and must put back; kept on disk while the run lasts."""

from __future__ import annotations

import json
from typing import Any

import cattrs
from attrs import frozen

from hermes_backup_core.domain.errors import HermesBackupError
from hermes_backup_core.domain.snapshots import Snapshot


@frozen
class RecordError(HermesBackupError):
    """The record that an earlier run left cannot be read."""

    reason: str

    def __str__(self) -> str:
        return f"the record of an earlier run cannot be read: {self.reason}"


@frozen
class RunRecord:
    """One backup under way.

    ``partial`` is the unfinished file, ``stopped`` the containers that ran before and that the run
    stopped, ``serving`` those it started for the dumps, ``maintenance`` whether it put Nextcloud into
    maintenance mode. ``since`` is local time, for people. ``stopping`` are those that the engine has been
    told to stop, which it will do until ``stop_ends`` (seconds since 1970) even when nobody waits for it.
    ``snapshots`` are those that were made, or were about to be.
    """

    pid: int
    command: str
    since: str
    partial: str | None = None
    maintenance: bool = False
    stopped: tuple[str, ...] = ()
    serving: tuple[str, ...] = ()
    stopping: tuple[str, ...] = ()
    stop_ends: float = 0.0
    snapshots: tuple[Snapshot, ...] = ()

    def render(self) -> bytes:
        """Return the record as JSON."""
        return json.dumps(cattrs.unstructure(self), indent=2).encode()

    @classmethod
    def parse(cls, data: bytes) -> RunRecord:
        """Return the record that ``data`` holds; raises `RecordError`."""
        try:
            content: Any = json.loads(data)
            return cattrs.structure(content, cls)
        except (ValueError, TypeError, cattrs.BaseValidationError) as err:
            raise RecordError(str(err)) from err
