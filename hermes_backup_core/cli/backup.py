"""The backup script: from the command line to the exit code."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Sequence

from attrs import define

from hermes_backup_core.backup.job import BackupJob
from hermes_backup_core.backup.result import BackupResult
from hermes_backup_core.cli.arguments import BackupOptions, parse_backup
from hermes_backup_core.cli.entry import DONE, FAILED, Command, run_script
from hermes_backup_core.cli.progress import ProgressLog
from hermes_backup_core.cli.report import report_lines
from hermes_backup_core.domain.checks import Verdict
from hermes_backup_core.domain.errors import HermesBackupError, StackNotRestored
from hermes_backup_core.domain.interrupted import RestoreInterrupted, describe_interrupted
from hermes_backup_core.domain.naming import BackupName
from hermes_backup_core.domain.notice import Notice, as_test, failure_notice, success_notice
from hermes_backup_core.domain.paths import shown
from hermes_backup_core.domain.plan import BackupPlan, BackupRequest
from hermes_backup_core.domain.restore_record import RestoreRecord
from hermes_backup_core.domain.retention import RetentionPolicy
from hermes_backup_core.domain.scope import Scope
from hermes_backup_core.wiring import backup_job, mailer, restore_journal, run_record, run_state


def main(argv: Sequence[str], *, called_as: str) -> int:
    """Run the backup script with the arguments ``argv``; return its exit code."""
    return run_script(argv, called_as, parse_backup, BackupCommand)


@define
class BackupCommand(Command[BackupOptions]):
    """One call of the backup script."""

    def carry_out(self) -> int:
        """Make the backup, tell what it would do, or test the mails."""
        return self._test_notify() if self.options.request is None else self._backup(self.options.request)

    def _backup(self, request: BackupRequest) -> int:
        if self.options.dry_run:
            return self._dry_run(request)
        self.require_root()
        self.require_answer()
        root = self.install_root()
        record = run_record(self.command)
        with run_state(root, self.environ).locked(record):
            if interrupted := restore_journal(root, self.environ).read():
                self.log.warn(describe_interrupted(interrupted))
                raise RestoreInterrupted(interrupted)
            job = backup_job(root, self.environ, ProgressLog(self.log))
            if leftovers := job.leftovers():
                job.put_right(leftovers)
            plan = self._plan(job, request)
            if not self.confirmed():
                self.log.info("nothing was done")
                return DONE
            self.log.section("Backup")
            result = job.carry_out(plan, record, self.signals.ignore)
            if self.options.retention:
                job.retain(self.options.retention, result)
        return self._done(result)

    def _dry_run(self, request: BackupRequest) -> int:
        root = self.install_root()
        job = backup_job(root, self.environ, ProgressLog(self.log))
        self.tell_of_leftovers(job.leftovers)
        interrupted = self.tell_of_interrupted(restore_journal(root, self.environ).read)
        plan, verdict = job.prepare(request)
        self._show(plan, verdict)
        for sentence in verdict.unknown:
            self.log.warn(f"not looked at: {sentence}")
        verdict.require_for_dry_run()
        if self.options.retention:
            self._show_retention(job, plan, self.options.retention, interrupted)
        self.log.info("dry run: nothing was changed")
        return DONE

    def _plan(self, job: BackupJob, request: BackupRequest) -> BackupPlan:
        self.log.section("Checks")
        plan, verdict = job.prepare(request)
        self._open_log(plan.name)
        self._show(plan, verdict)
        verdict.require()
        return plan

    def _show(self, plan: BackupPlan, verdict: Verdict) -> None:
        request = plan.request
        for warning in verdict.warnings:
            self.log.warn(warning)
        self.log.section("Plan")
        self.log.info(f"scope {request.scope.value}, {request.mode.value}, build {plan.build_no}")
        self.log.info(f"output {shown(request.output)}/{plan.name.tarball}")
        for line in plan.describe():
            self.log.info(line)
        if self.options.retention:
            self.log.info(f"after a success, remove older backups of this scope but {self.options.retention}")

    def _show_retention(
        self, job: BackupJob, plan: BackupPlan, policy: RetentionPolicy, interrupted: RestoreRecord | None
    ) -> None:
        self.log.section("Retention")
        restoring = interrupted.plan.request.path if interrupted else None
        scope, folder = plan.request.scope, plan.request.output
        try:
            found = job.retention.look(policy, scope, folder, new=plan.name, restoring=restoring)
        except PermissionError as err:
            self.log.warn(f"not looked at: the backups in {shown(folder)} ({err.strerror})")
            return
        job.retention.tell(found)
        for name in found.gone:
            self.log.info(f"{name.tarball} would go, with its logs")

    def _done(self, result: BackupResult) -> int:
        self.log.rename_file(f"{os.path.basename(result.path).removesuffix('.tar')}.log")
        self.log.section("Done")
        for line in report_lines(result):
            self.log.info(line)
        if result.problems:
            raise StackNotRestored((f"the backup {result.path} is whole, but", *result.problems))
        self.log.info(f"log:      {self.log.path}")
        if self.options.notify_email and self.options.notify_on_success:
            self._send(self._success(self.options.notify_email, result))
        return DONE

    def tell_failure(self, reason: str) -> None:
        """Tell it in the log and by mail, where a backup was to be made."""
        request = self.options.request
        if request and not self.options.dry_run:
            self._open_log(BackupName.make(request.scope, None, self.began))
            self.log.info(f"log: {self.log.path}")
            if self.options.notify_email:
                self._send(self._failure(self.options.notify_email, request, reason))

    def _open_log(self, name: BackupName) -> None:
        if not self.log.path and self.options.request:
            self.log.open_file(self.options.request.output, name.log)

    def _test_notify(self) -> int:
        self.require_root()
        address = self.options.notify_email or ""
        name = BackupName.make(Scope.SYSTEM, None, self.began)
        self.log.open_file(tempfile.gettempdir(), f"hermes-backup-test-notify-{name.stamp}.log")
        self.log.info(f"log: {self.log.path}")
        sample = BackupRequest(Scope.SYSTEM, "/mnt/backups")
        success = success_notice(
            to=address,
            hostname=socket.gethostname(),
            scope=sample.scope,
            mode=sample.mode,
            timestamp=name.stamp,
            output=f"{sample.output}/{name.tarball}",
            size_bytes=0,
            seconds=0.0,
        )
        failure = self._failure(address, sample, "none; this is how a failure would be told")
        sent = [self._send(as_test(notice)) for notice in (success, failure)]
        return DONE if all(sent) else FAILED

    def _send(self, notice: Notice) -> bool:
        """Send ``notice``; a mail that cannot go is a warning, whatever it was about."""
        try:
            mailer(self.environ).send(notice)
        except (HermesBackupError, OSError) as err:
            self.log.warn(f"the mail to {notice.to} could not be sent: {err}")
            return False
        self.log.info(f"mail to {notice.to} handed to Postfix: {notice.subject}")
        return True

    def _success(self, address: str, result: BackupResult) -> Notice:
        return success_notice(
            to=address,
            hostname=result.manifest.hostname,
            scope=result.manifest.scope,
            mode=result.manifest.mode,
            timestamp=result.manifest.timestamp,
            output=result.path,
            size_bytes=result.size_bytes,
            seconds=result.seconds,
            warnings=self.log.warnings,
        )

    def _failure(self, address: str, request: BackupRequest, reason: str) -> Notice:
        return failure_notice(
            to=address,
            hostname=socket.gethostname(),
            scope=request.scope,
            mode=request.mode,
            timestamp=BackupName.make(request.scope, None, self.began).stamp,
            reason=reason,
            log_file=self.log.path,
            log=list(self.log.tail),
        )
