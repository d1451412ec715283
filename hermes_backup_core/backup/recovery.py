"""Giving back to the host what a run has taken from it, whether that run failed just now or was killed long ago."""

from __future__ import annotations

from contextlib import suppress

from attrs import evolve, frozen

from hermes_backup_core.domain.errors import CommandFailed, HermesBackupError, last_lines
from hermes_backup_core.domain.host import NEXTCLOUD_CONTAINER, Container
from hermes_backup_core.domain.paths import shown
from hermes_backup_core.domain.record import RunRecord
from hermes_backup_core.ports import Clock, Files, Stack
from hermes_backup_core.services.nextcloud import Nextcloud

START_PATIENCE = 150.0
"""Seconds that the containers get to run again."""

_OCC_PATIENCE = 60.0
_LOOK_EVERY = 1.0


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

    def put_right(self, record: RunRecord) -> Outcome:
        """Remove the partial file, start what was stopped, stop what was started, end maintenance mode."""
        done: list[str] = []
        problems: list[str] = []
        for part in (self._remove_partial, self._stop_serving, self._start_stopped, self._end_maintenance):
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
        """Start the containers ``names`` until all run; return those that did not run at first.

        Those in ``stopping`` may still run only because the engine has not stopped them yet, which it may do
        until ``stop_ends`` (seconds since 1970); they are waited for. Raises `NotRunning` that names what
        does not run `START_PATIENCE` seconds after that.
        """
        first = _idle(self.stack.containers(), names)
        wait = max(0.0, stop_ends - self.clock.now().timestamp())
        unsettled, settled_at = set(stopping), self.clock.monotonic() + wait
        deadline = settled_at + START_PATIENCE
        trouble: HermesBackupError | None = None
        # Twice in a row, since a container that dies at its start runs at first.
        calm = 0
        while calm < 2:
            idle = _idle(self.stack.containers(), names)
            unsettled -= {container.name for container in idle}
            settled = not unsettled or self.clock.monotonic() >= settled_at
            calm = calm + 1 if settled and not idle else 0
            if idle and self.clock.monotonic() > deadline:
                raise NotRunning(tuple(container.name for container in idle), _reason(trouble)) from trouble
            if idle:
                trouble = self._start(idle) or trouble
            if calm < 2:
                self.clock.sleep(_LOOK_EVERY)
        return tuple(container.name for container in first)

    def _start(self, idle: list[Container]) -> HermesBackupError | None:
        """Start ``idle``, and all that can be where one cannot; return what stood in the way."""
        try:
            self.stack.start(idle)
            return None
        except HermesBackupError as err:
            trouble = err
        for container in idle if len(idle) > 1 else ():
            with suppress(HermesBackupError):
                self.stack.start([container])
        return trouble

    def _end_maintenance(self, record: RunRecord) -> tuple[RunRecord, str]:
        if not record.maintenance:
            return record, ""
        self.end_maintenance()
        return evolve(record, maintenance=False), "switched Nextcloud's maintenance mode off"

    def end_maintenance(self) -> None:
        """Switch maintenance mode off, trying again while the container is not ready.

        Raises `StillInMaintenance` after a minute.
        """
        deadline = self.clock.monotonic() + _OCC_PATIENCE
        while True:
            try:
                return self.nextcloud.end_maintenance()
            except HermesBackupError as err:
                if self.clock.monotonic() >= deadline:
                    raise StillInMaintenance from err
                self.clock.sleep(_LOOK_EVERY)


@frozen
class NotRunning(HermesBackupError):
    """Containers that ran before do not run again. ``reason`` is what the engine said, if it said anything."""

    containers: tuple[str, ...]
    reason: str = ""

    def __str__(self) -> str:
        names = " ".join(self.containers)
        said = f" ({self.reason})" if self.reason else ""
        return (
            f"{names} did not start again{said}: look at `docker logs {self.containers[0]}`, "
            f"then run `docker start {names}`"
        )


@frozen
class StillInMaintenance(HermesBackupError):
    """Nextcloud could not be taken out of maintenance mode."""

    def __str__(self) -> str:
        return (
            "Nextcloud is still in maintenance mode: run "
            f"`docker exec -u www-data {NEXTCLOUD_CONTAINER} php /var/www/html/occ maintenance:mode --off`"
        )


def _idle(containers: tuple[Container, ...], names: tuple[str, ...]) -> list[Container]:
    """Return those of ``names`` that exist and do not run; one that is gone for good cannot be started."""
    return [container for container in containers if container.name in names and not container.runs]


def _reason(trouble: HermesBackupError | None) -> str:
    return last_lines(trouble.stderr, 2) if isinstance(trouble, CommandFailed) else str(trouble or "")


def _listed(containers: list[Container]) -> str:
    return ", ".join(container.name for container in containers)
