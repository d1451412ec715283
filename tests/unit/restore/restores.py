"""Restores over the fakes of one host: a backup that was made, the host it goes onto, and both of its ends."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

from attrs import define, frozen

from hermes_backup_core.domain.errors import Ended, HermesBackupError
from hermes_backup_core.domain.record import RunRecord
from hermes_backup_core.domain.restore_plan import RestoreRequest
from hermes_backup_core.domain.restore_record import RestoreRecord
from hermes_backup_core.domain.scope import Mode, Scope
from hermes_backup_core.restore.job import Prospect, RestoreJob
from tests.unit.fakes.host import Hook, MemoryHost
from tests.unit.fakes.state import State
from tests.unit.fakes.wiring import (
    back_up,
    damaged,
    request_of,
    restore_host,
    restore_job_of,
    saved,
)

RESTORE = RunRecord(4712, "system_restore.sh", "2026-06-02 08:00:00")

Change = Callable[[MemoryHost], object]


def nothing(_: MemoryHost) -> None:
    """Change nothing."""


@frozen
class Killed:
    """What SIGKILL would have left at one end of a call."""

    where: str
    state: State


@define
class Case:
    """One restore, planned once and run as often as a test likes: ``before`` is the host that it begins on.

    ``original`` is the host that the backup was made of.
    """

    host: MemoryHost
    prospect: Prospect
    original: State
    before: State

    def begin(self, state: State | None = None) -> MemoryHost:
        """Bring the host into ``state``, or that before the restore, and forget what was seen of other runs."""
        host = self.host
        host.hook = None
        host.may_run = frozenset(self.prospect.plan.untouched if self.prospect.plan else ())
        host.restore(state or self.before)
        for seen in (host.calls, host.said, host.violations, host.executed, host.created, host.started_with):
            seen.clear()
        return host

    def carry_out(self) -> None:
        """Run the restore."""
        self.job().carry_out(self.prospect, RESTORE, self.host.shield)

    def undo(self) -> None:
        """Go back from where an earlier run was broken off."""
        self.job().undo(self.record(), RESTORE, self.host.shield)

    def finish(self) -> None:
        """Go on from where an earlier run was broken off."""
        self.job().finish(self.record(), RESTORE, self.host.shield)

    def job(self) -> RestoreJob:
        """Return what a new process would restore with; what is read to put it together does not count."""
        host, hook = self.host, self.host.hook
        host.hook, calls = None, len(host.calls)
        job = restore_job_of(host)
        host.hook = hook
        del host.calls[calls:]
        return job

    def record(self) -> RestoreRecord:
        """Return what the journal tells."""
        record = self.job().interrupted()
        assert record is not None
        return record

    def ways_on(self) -> list[Callable[[], None]]:
        """Return what may be typed now, as the journal has it."""
        record = self.job().interrupted()
        if record is None:
            return []
        return [*([self.undo] if record.can_go_back else []), *([self.finish] if record.is_staged else [])]

    def watched(self, work: Callable[[], None], state: State | None = None) -> list[Killed]:
        """Do ``work`` from ``state`` on, and return what SIGKILL would have left at both ends of each call."""
        host, states = self.begin(state), list[Killed]()
        host.hook = lambda moment, number, call: states.append(Killed(f"{moment} {number} {call}", host.state()))
        work()
        host.hook = None
        return states

    def outcome(self, work: Callable[[], None], hook: Hook | None = None) -> BaseException | None:
        """Do ``work`` and return what it raised."""
        self.host.hook = hook
        try:
            work()
        except (HermesBackupError, OSError, Ended) as err:
            return err
        finally:
            self.host.hook = None
        return None

    def wrong(self, goal: State) -> list[str]:
        """Return what is not as in ``goal``, what a restore left, and what it did that none may do."""
        now = self.host.state()
        return [*now.differences(goal), *now.leftovers, *self.host.violations]


def case_of(
    scope: Scope = Scope.ALL,
    *,
    first: Change = nothing,
    last: Change = nothing,
    request: Callable[[str], RestoreRequest] = RestoreRequest,
) -> Case:
    """Back up a host that ``first`` changed, damage it, let ``last`` change it, and plan the restore of ``scope``."""
    host = restore_host()
    first(host)
    original = host.state()
    path = back_up(host, request_of(scope, Mode.COLD)).path
    there = saved(host, path, Path(tempfile.mkdtemp(dir=_folder())))
    del host.files[path]
    damaged(host)
    last(host)
    host.shielded = False
    before = host.state()
    prospect = restore_job_of(host).prepare(request(there))
    return Case(host, prospect, original, before)


@cache
def _folder() -> Path:
    """Return a folder for backups that is gone at the end of the tests."""
    folder = tempfile.TemporaryDirectory(prefix="hermes-restores-")
    _FOLDERS.append(folder)
    return Path(folder.name)


_FOLDERS: list[tempfile.TemporaryDirectory[str]] = []
