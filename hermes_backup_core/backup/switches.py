"""What a run switches off on the host: recorded on disk before it happens, given back whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import TracebackType

from attrs import define, evolve, field, frozen

from hermes_backup_core.backup.recovery import Outcome, Recovery
from hermes_backup_core.domain.errors import CommandFailed, HermesBackupError, SnapshotFailed
from hermes_backup_core.domain.figures import duration
from hermes_backup_core.domain.host import Container
from hermes_backup_core.domain.paths import shown
from hermes_backup_core.domain.record import RunRecord
from hermes_backup_core.domain.snapshots import Snapshot
from hermes_backup_core.ports import Clock, Journal, Reporter, Stack
from hermes_backup_core.services.containers import Containers, NotStopped, listed
from hermes_backup_core.services.nextcloud import Nextcloud


@frozen
class NoCleanBackup(NotStopped):
    """A database had to be killed, so a backup of its files now would be no clean one."""

    def __str__(self) -> str:
        return (
            f"{self.container} did not stop within {self.patience} s and was killed, so this would be no clean cold "
            f"backup: look at `docker logs {self.container}`, then run the backup again"
        )


@define
class Switches:
    """The state of the host that a run has changed, as a context manager that puts all of it back.

    ``record`` is on the disk before anything changes. What cannot be turned back on the good way does not
    end the run: the backup goes on, and at the end whatever is still recorded is put right by the very
    code that puts right what a killed run left; what even that cannot is in ``problems``.
    ``uninterruptible`` is called first, and keeps signals away from it. ``stack_down`` and
    ``in_maintenance`` are seconds.
    """

    record: RunRecord
    journal: Journal
    stack: Stack
    nextcloud: Nextcloud
    recovery: Recovery
    clock: Clock
    reporter: Reporter
    uninterruptible: Callable[[], None]
    problems: tuple[str, ...] = field(default=(), init=False)
    stack_down: float = field(default=0.0, init=False)
    in_maintenance: float = field(default=0.0, init=False)

    def __enter__(self) -> Switches:
        # Nothing is recorded yet: a signal that came right after would find nobody to take it off the disk again.
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.uninterruptible()
        # Unlike after a kill, a stop was waited for, however it ended: none is under way.
        outcome = self.recovery.put_right(evolve(self.record, stopping=()))
        for sentence in outcome.done:
            self.reporter.info(sentence)
        for problem in outcome.problems:
            self.reporter.warn(problem)
        self.problems = outcome.problems
        try:
            self._close_journal(outcome)
        except OSError as err:
            # No error: it would hide what ended the run. The next run finds that there is nothing to do.
            self.reporter.warn(f"the record of this run cannot be brought up to date ({err}): run the backup again")

    def _close_journal(self, outcome: Outcome) -> None:
        if outcome.problems:
            self._keep(outcome.left)
        else:
            self.journal.clear()

    def announce_partial(self, path: str) -> None:
        """Record that the file ``path`` is about to be made, and is to go unless it bears its final name by then."""
        self._keep(evolve(self.record, partial=path))

    @contextmanager
    def nextcloud_in_maintenance(self) -> Iterator[None]:
        """Keep Nextcloud's users out during the body, unless `occ` cannot or the operator did so before."""
        began = self.clock.monotonic()
        switched = self._begin_maintenance()
        yield
        if switched:
            self._turn_back(self._end_maintenance)
            self.in_maintenance = self.clock.monotonic() - began

    def _begin_maintenance(self) -> bool:
        try:
            if self.nextcloud.in_maintenance():
                self.reporter.info("Nextcloud is in maintenance mode already, and stays so")
                return False
            self._keep(evolve(self.record, maintenance=True))
            self.nextcloud.begin_maintenance()
        except CommandFailed as err:
            self.reporter.warn(
                f"occ cannot switch Nextcloud's maintenance mode on, so its files are packed live: {err}"
            )
            self._forget_maintenance()
            return False
        self.reporter.info("Nextcloud is in maintenance mode")
        return True

    def _forget_maintenance(self) -> None:
        """Take it off the record again where `occ` can tell that it is off after all."""
        with suppress(CommandFailed):
            if self.record.maintenance and not self.nextcloud.in_maintenance():
                self._keep(evolve(self.record, maintenance=False))

    def _end_maintenance(self) -> None:
        self.recovery.end_maintenance()
        self._keep(evolve(self.record, maintenance=False))
        self.reporter.info("Nextcloud is out of maintenance mode")

    @contextmanager
    def stack_stopped(self, spared: Collection[str] = ()) -> Iterator[None]:
        """Stop all that runs for the body, less the containers ``spared``, and start exactly that again."""
        found = self.stack.containers()
        running = [container for container in found if container.runs and container.name not in spared]
        began = self.clock.monotonic()
        self._keep(evolve(self.record, stopped=tuple(container.name for container in running)))
        self._stop(running)
        yield
        self._turn_back(self._start_stack)
        self.stack_down = self.clock.monotonic() - began

    def _start_stack(self) -> None:
        with self.reporter.progress("starting", None):
            self.recovery.start(self.record.stopped)
        self.reporter.info(f"started {listed(self.record.stopped)}")
        self._keep(evolve(self.record, stopped=()))

    @contextmanager
    def serving(self, names: tuple[str, ...]) -> Iterator[None]:
        """Start the containers ``names`` for the body, and stop them again."""
        self._keep(evolve(self.record, serving=names))
        self.stack.start(self._named(names))
        self.reporter.info(f"started {listed(names)} for the dumps")
        yield
        self._stop(self._named(names))
        self._keep(evolve(self.record, serving=()))

    def take_snapshot(self, snapshot: Snapshot) -> None:
        """Make ``snapshot``; raises `SnapshotFailed`, when nothing of it is left."""
        began = self.clock.monotonic()
        self._keep(evolve(self.record, snapshots=(*self.record.snapshots, snapshot)))
        try:
            self.recovery.snapshots.take(snapshot)
        except (HermesBackupError, OSError) as err:
            self._turn_back(lambda: self._remove((snapshot,)))
            raise SnapshotFailed(shown(snapshot.of), str(err)) from err
        self.reporter.info(f"snapshot of {snapshot} made in {duration(self.clock.monotonic() - began)}")

    def snapshot_problem(self, snapshot: Snapshot) -> str | None:
        """Return why what was read from ``snapshot`` cannot be trusted, or None where it can."""
        return self.recovery.snapshots.problem(snapshot)

    def drop_snapshots(self, snapshots: tuple[Snapshot, ...]) -> None:
        """Remove those of ``snapshots`` that this run made; what resists is tried again at the end."""
        made = tuple(snapshot for snapshot in snapshots if snapshot in self.record.snapshots)
        self._turn_back(lambda: self._remove(made))

    def _remove(self, snapshots: tuple[Snapshot, ...]) -> None:
        for snapshot in self.recovery.remove_snapshots(snapshots):
            self.reporter.info(f"removed the snapshot of {shown(snapshot.of)}")
        left = tuple(snapshot for snapshot in self.record.snapshots if snapshot not in snapshots)
        self._keep(evolve(self.record, snapshots=left))

    def _stop(self, containers: Sequence[Container]) -> None:
        try:
            Containers(self.stack, self.clock, self.reporter).stop(containers, self._note_stopping)
        except NotStopped as err:
            raise NoCleanBackup(err.container, err.patience) from err

    def _note_stopping(self, names: tuple[str, ...], ends: float) -> None:
        self._keep(evolve(self.record, stopping=names, stop_ends=ends))

    def _turn_back(self, action: Callable[[], None]) -> None:
        try:
            action()
        except HermesBackupError as err:
            self.reporter.warn(f"{err}; trying again at the end")

    def _named(self, names: tuple[str, ...]) -> tuple[Container, ...]:
        return tuple(container for container in self.stack.containers() if container.name in names)

    def _keep(self, record: RunRecord) -> None:
        self.journal.write(record)
        self.record = record
