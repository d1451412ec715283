"""The restore script: from the command line to the exit code."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence

from attrs import define, frozen

from hermes_backup_core.cli.entry import DONE, Command, NotAllowed, run_script
from hermes_backup_core.cli.pinning import pin, unpin
from hermes_backup_core.cli.preload import load_all
from hermes_backup_core.cli.progress import ProgressLog
from hermes_backup_core.cli.restore_arguments import RestoreOptions, parse_restore
from hermes_backup_core.cli.restore_report import checklist_lines, restore_report_lines
from hermes_backup_core.domain.errors import HermesBackupError, StackNotRestored
from hermes_backup_core.domain.gates import GateResult
from hermes_backup_core.domain.interrupted import RestoreInterrupted, describe_interrupted
from hermes_backup_core.domain.paths import shown
from hermes_backup_core.domain.record import RunRecord
from hermes_backup_core.domain.restore_plan import RestorePlan, RestoreRequest
from hermes_backup_core.domain.restore_record import RestoreRecord
from hermes_backup_core.ports import Reporter
from hermes_backup_core.restore.errors import CannotFinish, CannotGoBack
from hermes_backup_core.restore.job import Prospect, RestoreJob
from hermes_backup_core.restore.result import RestoreResult
from hermes_backup_core.wiring import restore_job, run_record, run_state


def main(argv: Sequence[str], *, called_as: str) -> int:
    """Run the restore script with the arguments ``argv``; return its exit code."""
    return run_script(argv, called_as, lambda typed: parse_restore(typed, os.environ), RestoreCommand)


@frozen
class NothingInterrupted(HermesBackupError):
    """``--undo`` or ``--finish`` was asked for, and there is nothing to undo or to finish."""

    def __str__(self) -> str:
        return "there is no interrupted restore on this host: to restore a backup, give -F PATH"


@frozen
class NoSuchBackup(HermesBackupError):
    """``-F`` names no file."""

    path: str

    def __str__(self) -> str:
        return f"-F {shown(self.path)} is not there or is no file: give it the path of a backup's tarball"


@define
class RestoreCommand(Command[RestoreOptions]):
    """One call of the restore script. ``job_of`` makes what does the work."""

    job_of: Callable[[str, Mapping[str, str], Reporter], RestoreJob] = restore_job

    def carry_out(self) -> int:
        """Restore, deal with an interrupted restore, or tell what would be done."""
        for warning in self.options.warnings:
            self.log.warn(warning)
        if self.options.pin or self.options.unpin:
            return self._pin()
        request = self.options.request
        if request and not os.path.isfile(request.path):
            raise NoSuchBackup(request.path)
        return self._dry_run(request) if self.options.dry_run else self._live(request)

    def _pin(self) -> int:
        """Pin a backup, or take its pin away; nothing of the host is looked at."""
        dry_run = self.options.dry_run
        if self.options.pin:
            self.log.info(pin(self.options.pin, dry_run=dry_run))
        elif self.options.unpin:
            self.log.info(unpin(self.options.unpin, dry_run=dry_run))
        return DONE

    def tell_failure(self, reason: str) -> None:
        """Tell it in the log, which lies beside the backup."""
        del reason  # it stands in the log as an error
        request = self.options.request
        if request and not self.options.dry_run and os.path.isfile(request.path):
            self._open_log(request)
        if self.log.path:
            self.log.info(f"log: {self.log.path}")

    def _live(self, request: RestoreRequest | None) -> int:
        self.require_root()
        if request:
            self.require_answer()
        root = self.install_root()
        run = run_record(self.command)
        with run_state(root, self.environ).locked(run):
            load_all()
            job = self._job(root)
            if leftovers := job.backup_leftovers():
                job.put_right(leftovers)
            record = job.interrupted()
            if request is None:
                return self._settle(job, record, run)
            self._open_log(request)
            if record:
                self._clear_the_way(job, record, run)
            return self._restore(job, request, run)

    def _settle(self, job: RestoreJob, record: RestoreRecord | None, run: RunRecord) -> int:
        """Undo or finish, as the operator chose."""
        record = self._choosable(record)
        self._open_log(record.plan.request)
        self.log.warn(describe_interrupted(record))
        if self.options.finish:
            return self._done(job.finish(record, run, self.signals.ignore))
        job.undo(record, run, self.signals.ignore)
        self.log.info(f"the host is as before the restore of {shown(record.plan.request.path)}")
        self.log.info(f"log: {self.log.path}")
        return DONE

    def _choosable(self, record: RestoreRecord | None) -> RestoreRecord:
        """Return ``record`` where there is one, and it is far enough, and not too far, for what was asked for."""
        if record is None:
            raise NothingInterrupted
        if self.options.finish and not record.is_staged:
            raise CannotFinish
        if self.options.undo and not record.can_go_back:
            raise CannotGoBack
        return record

    def _clear_the_way(self, job: RestoreJob, record: RestoreRecord, run: RunRecord) -> None:
        """Undo a restore that had only staged; what an exchange has become of is the operator's to decide."""
        self.log.warn(describe_interrupted(record))
        if record.is_staged or not self.options.assume_yes:
            raise RestoreInterrupted(record)
        # A signal may end this: the record stays, and the next run begins here again.
        job.undo(record, run)

    def _restore(self, job: RestoreJob, request: RestoreRequest, run: RunRecord) -> int:
        self.log.section("Checks")
        prospect = job.prepare(request)
        self._show(prospect)
        prospect.verdict.require()
        if not self.confirmed():
            self.log.info("nothing was done")
            return DONE
        return self._done(job.carry_out(prospect, run, self.signals.ignore))

    def _done(self, result: RestoreResult) -> int:
        self.log.section("Done")
        for line in restore_report_lines(result):
            self.log.info(line)
        if result.problems:
            first, *others = result.problems
            raise StackNotRestored((f"{shown(result.plan.request.path)} is restored, but {first}", *others))
        self.log.info(f"log:      {self.log.path}")
        return DONE

    def _dry_run(self, request: RestoreRequest | None) -> int:
        job = self._job(self.install_root())
        if request:
            self._tell(job, request)
        else:
            self._tell_settling(job)
        self.log.info("dry run: nothing was changed")
        return DONE

    def _tell(self, job: RestoreJob, request: RestoreRequest) -> None:
        self.tell_of_leftovers(job.backup_leftovers)
        self.tell_of_interrupted(job.interrupted)
        self.log.section("Checks")
        prospect = job.prepare(request)
        self._show(prospect)
        for sentence in prospect.verdict.unknown:
            self.log.warn(f"not looked at: {sentence}")
        prospect.verdict.require_for_dry_run()

    def _tell_settling(self, job: RestoreJob) -> None:
        try:
            record = self._choosable(job.interrupted())
        except PermissionError as err:
            raise NotAllowed("only root may look at an interrupted restore: use sudo") from err
        self.log.warn(describe_interrupted(record))
        self.log.section("Plan")
        steps = record.plan.steps
        if self.options.finish:
            lines = [f"{step}" for step in steps[record.begun :]]
        else:
            lines = [f"take back: {step}" for step in reversed(steps[: record.begun + 1])]
        for line in lines:
            self.log.info(line)

    def _show(self, prospect: Prospect) -> None:
        for result in prospect.gates:
            self.log.info(f"{result.gate.value}: {_outcome(result)}")
        for warning in prospect.verdict.warnings:
            self.log.warn(warning)
        if prospect.plan:
            self.log.section("Plan")
            for line in _described(prospect.plan):
                self.log.info(line)

    def _job(self, root: str) -> RestoreJob:
        return self.job_of(root, self.environ, ProgressLog(self.log))

    def _open_log(self, request: RestoreRequest) -> None:
        """Open the log beside the backup; one of an earlier restore of the same file goes on."""
        if not self.log.path:
            folder, name = os.path.split(request.path)
            self.log.open_file(folder, f"{name.removesuffix('.tar')}.restore.log", append=True)


def _outcome(result: GateResult) -> str:
    """Return how a gate ended, in a word; the reasons are told together, of all gates."""
    if result.refusals:
        return "refused"
    return "not looked at in full" if result.unknown else "ok"


def _described(plan: RestorePlan) -> Iterator[str]:
    yield f"scope {plan.scope.value}, build {plan.build_no}, made on {plan.hostname} at {plan.timestamp}"
    yield f"backup {shown(plan.request.path)}"
    yield f"install root {shown(plan.root)}"
    yield from plan.describe()
    yield from checklist_lines(plan.checklist)
