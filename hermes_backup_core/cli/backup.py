"""The backup script: from the command line to the exit code."""

from __future__ import annotations

import os
import shlex
import socket
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from datetime import datetime

from attrs import define, field, frozen

from hermes_backup_core.backup.job import BackupJob
from hermes_backup_core.backup.result import BackupResult
from hermes_backup_core.cli.arguments import BackupOptions, UsageError, parse_backup
from hermes_backup_core.cli.install_root import find_install_root
from hermes_backup_core.cli.log import Log, open_closed_streams
from hermes_backup_core.cli.progress import ProgressLog
from hermes_backup_core.cli.report import report_lines
from hermes_backup_core.cli.signals import Signals
from hermes_backup_core.domain.checks import Verdict
from hermes_backup_core.domain.errors import Ended, HermesBackupError, StackNotRestored
from hermes_backup_core.domain.naming import BackupName
from hermes_backup_core.domain.notice import Notice, as_test, failure_notice, success_notice
from hermes_backup_core.domain.paths import shown
from hermes_backup_core.domain.plan import BackupPlan, BackupRequest
from hermes_backup_core.domain.scope import Scope
from hermes_backup_core.wiring import backup_job, host_clock, mailer, run_record, run_state

_DONE, _FAILED = 0, 1
_SIGNALLED = 128
_ROOT_USER = 0


def main(argv: Sequence[str], *, called_as: str) -> int:
    """Run the backup script with the arguments ``argv``; return its exit code."""
    os.umask(0o077)
    open_closed_streams()
    log = Log(sys.stdout, sys.stderr, host_clock().now)
    try:
        return _called(argv, called_as, log)
    finally:
        log.end()


def _called(argv: Sequence[str], called_as: str, log: Log) -> int:
    began = host_clock().now()
    try:
        options = parse_backup(argv)
    except UsageError as err:
        log.error(str(err))
        sys.stderr.write(err.usage)
        return _FAILED
    if options.help_text is not None:
        sys.stdout.write(options.help_text)
        return _DONE
    command = shlex.join((called_as, *argv))
    return BackupCommand(options, os.environ, called_as, command, began, log).run()


@frozen
class NotAllowed(HermesBackupError):
    """Whoever called may not, or did not say that it is meant."""

    reason: str

    def __str__(self) -> str:
        return self.reason


@define
class BackupCommand:
    """One call of the script, with everything that it was given."""

    options: BackupOptions
    environ: Mapping[str, str]
    called_as: str
    command: str
    began: datetime
    log: Log
    signals: Signals = field(factory=Signals, init=False)

    def run(self) -> int:
        """Do what was asked for; return the exit code."""
        with self.signals:
            try:
                return self._test_notify() if self.options.request is None else self._backup(self.options.request)
            except Ended as err:
                return self._end(_SIGNALLED + err.number, str(err))
            except (HermesBackupError, OSError) as err:
                return self._end(_FAILED, str(err))
            except Exception as err:  # noqa: BLE001 - a fault of ours must be told and mailed like any failure
                self.log.only_file(traceback.format_exc())
                return self._end(_FAILED, f"a fault of this tool, please report it with its log: {err!r}")

    def _backup(self, request: BackupRequest) -> int:
        if self.options.dry_run:
            return self._dry_run(request)
        self._require_root()
        if not self.options.assume_yes and not sys.stdin.isatty():
            raise NotAllowed("there is no terminal to ask at: add --yes to run unattended")
        root = find_install_root(self.environ, self.called_as)
        record = run_record(self.command)
        with run_state(root, self.environ).locked(record):
            job = backup_job(root, self.environ, ProgressLog(self.log))
            if leftovers := job.leftovers():
                job.put_right(leftovers)
            plan = self._plan(job, request)
            if not self._confirmed():
                self.log.info("nothing was done")
                return _DONE
            self.log.section("Backup")
            result = job.carry_out(plan, record, self.signals.ignore)
        return self._done(result)

    def _dry_run(self, request: BackupRequest) -> int:
        root = find_install_root(self.environ, self.called_as)
        job = backup_job(root, self.environ, ProgressLog(self.log))
        self._tell_of_leftovers(job)
        plan, verdict = job.prepare(request)
        self._show(plan, verdict)
        for sentence in verdict.unknown:
            self.log.warn(f"not looked at: {sentence}")
        verdict.require_for_dry_run()
        self.log.info("dry run: nothing was changed")
        return _DONE

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

    def _tell_of_leftovers(self, job: BackupJob) -> None:
        try:
            leftovers = job.leftovers()
        except PermissionError:
            return  # only root may look, and a dry run needs no root
        if leftovers:
            self.log.warn(
                f"the run of pid {leftovers.pid} ({leftovers.since}) was killed; a live run puts that right first"
            )

    def _confirmed(self) -> bool:
        if self.options.assume_yes:
            return True
        sys.stdout.write("Go on? [y/N] ")
        sys.stdout.flush()
        return sys.stdin.readline().strip().lower() in ("y", "yes")

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
        return _DONE

    def _end(self, code: int, reason: str) -> int:
        """Tell why the run failed, on the screen, in the log and by mail; return ``code``."""
        self.signals.ignore()
        self.log.error(reason)
        request = self.options.request
        if request and not self.options.dry_run:
            self._open_log(BackupName.make(request.scope, None, self.began))
            self.log.info(f"log: {self.log.path}")
            if self.options.notify_email:
                self._send(self._failure(self.options.notify_email, request, reason))
        return code

    def _open_log(self, name: BackupName) -> None:
        if not self.log.path and self.options.request:
            self.log.open_file(self.options.request.output, name.log)

    def _require_root(self) -> None:
        if os.geteuid() != _ROOT_USER:
            raise NotAllowed("a live run needs root: use sudo, or --dry-run to see what would be done")

    def _test_notify(self) -> int:
        self._require_root()
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
        return _DONE if all(sent) else _FAILED

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
