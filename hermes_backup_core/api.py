"""What other tooling calls: read a topology, plan and run a backup. `docs/library.md` shows each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from attrs import frozen

from hermes_backup_core.backup.job import BackupJob
from hermes_backup_core.backup.result import BackupResult
from hermes_backup_core.backup.survey import read_topology as _read_topology
from hermes_backup_core.domain.plan import BackupPlan, BackupRequest
from hermes_backup_core.domain.topology import Topology
from hermes_backup_core.ports import Reporter
from hermes_backup_core.wiring import backup_job, host_files, run_record, run_state


class Silent:
    """A `Reporter` that shows nothing."""

    def section(self, title: str) -> None:
        """Show nothing."""

    def info(self, text: str) -> None:
        """Show nothing."""

    def warn(self, text: str) -> None:
        """Show nothing."""

    @contextmanager
    def progress(self, task: str, total: int | None) -> Iterator[Callable[[int], None]]:
        """Show nothing."""
        del task, total
        yield _ignore


def _ignore(_done: int) -> None:
    """Take how far a step is, and show nothing."""


@frozen
class PreparedBackup:
    """A backup that the checks have passed. ``warnings`` do not stand in its way."""

    plan: BackupPlan
    warnings: tuple[str, ...]
    root: str
    environ: Mapping[str, str]
    job: BackupJob


def read_topology(root: str) -> Topology:
    """Return where the tiers of the install root ``root`` lie, as its `.env` says.

    Raises `Refused` with a reason for everything that is not as it must be.
    """
    return _read_topology(root, host_files())


def plan_backup(
    root: str, request: BackupRequest, *, environ: Mapping[str, str], reporter: Reporter | None = None
) -> PreparedBackup:
    """Look at the host of the install root ``root`` and return what a backup of ``request`` would do.

    Changes nothing. ``environ`` is the environment for `docker`; ``reporter`` is told how a later run goes.
    Raises `Refused` with every reason that stands in the way.
    """
    job = backup_job(root, environ, reporter or Silent())
    plan, verdict = job.prepare(request)
    verdict.require()
    return PreparedBackup(plan, verdict.warnings, root, environ, job)


def run_backup(prepared: PreparedBackup, *, command: str = "hermes_backup_core.run_backup") -> BackupResult:
    """Make the backup that was planned and return what it is; needs root.

    ``command`` names the run to whoever finds the host busy. On any error nothing of the backup is left and
    the host is as before. Raises `Busy` where another run is under way.
    """
    record = run_record(command)
    with run_state(prepared.root, prepared.environ).locked(record):
        if leftovers := prepared.job.leftovers():
            prepared.job.put_right(leftovers)
        return prepared.job.carry_out(prepared.plan, record)
