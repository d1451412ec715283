"""What other tooling calls: read a topology, plan and run a backup or a restore. `docs/library.md` shows each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from attrs import frozen

from hermes_backup_core.backup.job import BackupJob
from hermes_backup_core.backup.result import BackupResult
from hermes_backup_core.backup.retention import Retention
from hermes_backup_core.domain.interrupted import RestoreInterrupted
from hermes_backup_core.domain.plan import BackupPlan, BackupRequest
from hermes_backup_core.domain.retention import RetentionPlan, RetentionPolicy
from hermes_backup_core.domain.scope import Scope
from hermes_backup_core.domain.topology import Topology
from hermes_backup_core.ports import Reporter
from hermes_backup_core.survey.look import read_topology as _read_topology
from hermes_backup_core.wiring import backup_job, host_files, restore_job, restore_journal, run_record, run_state

if TYPE_CHECKING:  # a backup does without them
    from hermes_backup_core.domain.restore_plan import RestorePlan, RestoreRequest
    from hermes_backup_core.restore.job import Prospect, RestoreJob
    from hermes_backup_core.restore.result import RestoreResult


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


def run_backup(
    prepared: PreparedBackup,
    *,
    command: str = "hermes_backup_core.run_backup",
    retention: RetentionPolicy | None = None,
) -> BackupResult:
    """Make the backup that was planned and return what it is; needs root.

    ``command`` names the run to whoever finds the host busy. With ``retention``, older backups of the scope beside
    the new one that it does not keep are removed after a success, and the `Reporter` is told of each. On any error
    nothing of the backup is left and the host is as before. Raises `Busy` where another run is under way, and
    `RestoreInterrupted` where a restore never ended: nothing else may start before the operator has finished or
    undone it.
    """
    record = run_record(command)
    with run_state(prepared.root, prepared.environ).locked(record):
        if interrupted := restore_journal(prepared.root, prepared.environ).read():
            raise RestoreInterrupted(interrupted)
        if leftovers := prepared.job.leftovers():
            prepared.job.put_right(leftovers)
        result = prepared.job.carry_out(prepared.plan, record)
        if retention:
            prepared.job.retain(retention, result)
        return result


def plan_retention(policy: RetentionPolicy, scope: Scope, folder: str) -> RetentionPlan:
    """Return which backups of ``scope`` in ``folder`` stay, and why, and which go; changes nothing.

    Raises `OSError` where the folder cannot be listed.
    """
    return Retention(host_files(), Silent()).look(policy, scope, folder)


@frozen
class PreparedRestore:
    """A restore that the gates have passed, of a backup every byte of which was read.

    ``warnings`` do not stand in its way; ``plan.checklist`` is what is to be done by hand afterwards, on another host.
    """

    plan: RestorePlan
    warnings: tuple[str, ...]
    root: str
    environ: Mapping[str, str]
    job: RestoreJob
    prospect: Prospect


def plan_restore(
    root: str, request: RestoreRequest, *, environ: Mapping[str, str], reporter: Reporter | None = None
) -> PreparedRestore:
    """Read the backup of ``request``, look at the host of ``root``, and return what a restore would do.

    Changes nothing. ``environ`` and ``reporter`` are as for `plan_backup`. Raises `Refused` with the reasons of
    all gates, and `NotABackup`, `DamagedBackup`, `ManifestError` or `OSError` where the file cannot be read at all.
    """
    job = restore_job(root, environ, reporter or Silent())
    prospect = job.prepare(request)
    prospect.verdict.require()
    if prospect.plan is None:
        raise ValueError("the gates refuse nothing, and there is no plan")
    return PreparedRestore(prospect.plan, prospect.verdict.warnings, root, environ, job, prospect)


def run_restore(prepared: PreparedRestore, *, command: str = "hermes_backup_core.run_restore") -> RestoreResult:
    """Carry the restore out that was planned and return what came of it; needs root.

    ``command`` names the run as for `run_backup`. On an error before the stack is up again the host is as
    before; one that comes later says so, and what was there before is kept. Raises `Busy` and
    `RestoreInterrupted` as `run_backup` does.
    """
    record = run_record(command)
    with run_state(prepared.root, prepared.environ).locked(record):
        if leftovers := prepared.job.backup_leftovers():
            prepared.job.put_right(leftovers)
        if interrupted := prepared.job.interrupted():
            raise RestoreInterrupted(interrupted)
        return prepared.job.carry_out(prepared.prospect, record)
