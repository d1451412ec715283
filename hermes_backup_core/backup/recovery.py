"""Giving back to the host what a run has taken from it, whether that run failed just now or was killed long ago."""

from __future__ import annotations

from attrs import evolve, frozen

from hermes_backup_core.domain.errors import HermesBackupError, SnapshotsLeft
from hermes_backup_core.domain.host import Container
from hermes_backup_core.domain.paths import shown
from hermes_backup_core.domain.record import RunRecord
from hermes_backup_core.domain.snapshots import Snapshot
from hermes_backup_core.ports import Clock, Files, Snapshots, Stack
from hermes_backup_core.services.containers import Containers
from hermes_backup_core.services.nextcloud import Nextcloud


@frozen
class Outcome:
    """What was put right, what could not be (each with what to type), and what is therefore still recorded."""

    done: tuple[str, ...]
    problems: tuple[str, ...]
    left: RunRecord


@frozen
class Recovery:
    """Undoes what a `RunRecord` tells of. Every part is tried, whatever became of the others."""

    stack: Stack
    nextcloud: Nextcloud
    files: Files
    clock: Clock
    snapshots: Snapshots

    def put_right(self, record: RunRecord) -> Outcome:
        """Remove the partial file, start what was stopped, stop what was started, end maintenance, remove snapshots."""
        done: list[str] = []
        problems: list[str] = []
        parts = (
            self._remove_partial,
            self._stop_serving,
            self._start_stopped,
            self._end_maintenance,
            self._drop_snapshots,
        )
        for part in parts:
            try:
                record, sentence = part(record)
                done += [sentence] if sentence else []
            except (HermesBackupError, OSError) as err:
                problems.append(str(err))
        return Outcome(tuple(done), tuple(problems), record)

    def _remove_partial(self, record: RunRecord) -> tuple[RunRecord, str]:
        if record.partial is None:
            return record, ""
        removed = self.files.remove(record.partial)
        return evolve(record, partial=None), f"removed {shown(record.partial)}" if removed else ""

    def _stop_serving(self, record: RunRecord) -> tuple[RunRecord, str]:
        """Stop what ran for the dumps only; what ran before the run as well is left to `_start_stopped`."""
        names = set(record.serving) - set(record.stopped)
        if not names:
            return evolve(record, serving=()), ""
        serving = [container for container in self.stack.containers() if container.name in names and container.runs]
        if serving:
            self.stack.stop(serving)
        return evolve(record, serving=()), f"stopped {_listed(serving)}, which did not run before" if serving else ""

    def _start_stopped(self, record: RunRecord) -> tuple[RunRecord, str]:
        if not record.stopped:
            return record, ""
        started = self.start(record.stopped, stopping=record.stopping, stop_ends=record.stop_ends)
        return evolve(record, stopped=(), stopping=()), f"started {', '.join(started)}" if started else ""

    def start(
        self, names: tuple[str, ...], *, stopping: tuple[str, ...] = (), stop_ends: float = 0.0
    ) -> tuple[str, ...]:
        """Start the containers ``names``; see `Containers.start`."""
        return Containers(self.stack, self.clock).start(names, stopping=stopping, stop_ends=stop_ends)

    def _end_maintenance(self, record: RunRecord) -> tuple[RunRecord, str]:
        if not record.maintenance:
            return record, ""
        self.end_maintenance()
        return evolve(record, maintenance=False), "switched Nextcloud's maintenance mode off"

    def end_maintenance(self) -> None:
        """Switch maintenance mode off as soon as `occ` can; raises `StillInMaintenance` after a minute."""
        self.nextcloud.end_maintenance_when_ready(self.clock)

    def _drop_snapshots(self, record: RunRecord) -> tuple[RunRecord, str]:
        removed = self.remove_snapshots(record.snapshots)
        of = ", ".join(shown(snapshot.of) for snapshot in removed)
        return evolve(record, snapshots=()), f"removed the snapshot of {of}" if removed else ""

    def remove_snapshots(self, snapshots: tuple[Snapshot, ...]) -> tuple[Snapshot, ...]:
        """Remove ``snapshots`` and return those that were there; raises `SnapshotsLeft` when all have been tried."""
        removed: list[Snapshot] = []
        problems: list[str] = []
        for snapshot in snapshots:
            try:
                removed += [snapshot] if self.snapshots.remove(snapshot) else []
            except (HermesBackupError, OSError) as err:
                problems.append(str(err))
        if problems:
            raise SnapshotsLeft(tuple(problems))
        return tuple(removed)


def _listed(containers: list[Container]) -> str:
    return ", ".join(container.name for container in containers)
