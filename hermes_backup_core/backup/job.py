"""A backup from the operator's request to the finished file: put right, survey, check, plan, carry out."""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen

from hermes_backup_core.backup.recovery import Recovery
from hermes_backup_core.backup.result import BackupResult
from hermes_backup_core.backup.retention import Retention
from hermes_backup_core.backup.run import BackupRun
from hermes_backup_core.backup.survey import Survey
from hermes_backup_core.backup.switches import Switches
from hermes_backup_core.domain.checks import Verdict, check_backup
from hermes_backup_core.domain.errors import Refused
from hermes_backup_core.domain.host import MAIL_CONTAINER
from hermes_backup_core.domain.naming import BackupName
from hermes_backup_core.domain.plan import BackupPlan, BackupRequest, plan_backup
from hermes_backup_core.domain.record import RunRecord
from hermes_backup_core.domain.retention import RetentionPolicy
from hermes_backup_core.domain.scope import Mode
from hermes_backup_core.ports import Clock, Files, Journal, Reporter
from hermes_backup_core.services.console import Console
from hermes_backup_core.services.postfix import MailQueue


@frozen
class BackupJob:
    """Everything that backups of one install root need, put together."""

    survey: Survey
    recovery: Recovery
    console: Console
    files: Files
    clock: Clock
    journal: Journal
    reporter: Reporter

    def leftovers(self) -> RunRecord | None:
        """Return what a run that was killed left on this host, or None."""
        return self.journal.read()

    def put_right(self, record: RunRecord) -> None:
        """Give back to the host what a killed run took, and say so; raises `Refused` where that fails."""
        self.reporter.section("Leftovers of an earlier run")
        self.reporter.warn(f"the run of pid {record.pid} (`{record.command}`, {record.since}) was killed")
        outcome = self.recovery.put_right(record)
        for sentence in outcome.done:
            self.reporter.info(sentence)
        if outcome.problems:
            self.journal.write(outcome.left)
            raise Refused(outcome.problems)
        self.journal.clear()

    def prepare(self, request: BackupRequest) -> tuple[BackupPlan, Verdict]:
        """Look at the host and return what a backup would do, and what the checks say of it; changes nothing."""
        began = self.clock.now()
        facts = self.survey.look(request)
        name = BackupName.make(request.scope, facts.build_no, began)
        if {name.tarball, name.partial} & facts.output.names:
            # The one before this took less than a second, and names tell no more than that.
            self.clock.sleep(1.0)
            name = BackupName.make(request.scope, facts.build_no, self.clock.now())
        verdict = check_backup(request, facts, name, self.survey.ratios(facts.output))
        return plan_backup(request, facts, name), verdict

    def carry_out(
        self, plan: BackupPlan, record: RunRecord, uninterruptible: Callable[[], None] = lambda: None
    ) -> BackupResult:
        """Make the backup that ``plan`` tells of. ``record`` names this run, for whoever finds it killed.

        The caller holds the install root's lock. ``uninterruptible`` is called when signals must no longer raise.
        """
        switches = Switches(
            record=record,
            journal=self.journal,
            stack=self.recovery.stack,
            nextcloud=self.recovery.nextcloud,
            recovery=self.recovery,
            clock=self.clock,
            reporter=self.reporter,
            uninterruptible=uninterruptible,
        )
        run = BackupRun(
            plan=plan,
            switches=switches,
            database=self.survey.database,
            directory=self.survey.directory,
            tiers=self.survey.tiers,
            files=self.files,
            clock=self.clock,
            reporter=self.reporter,
        )
        result = run.carry_out()
        if plan.request.mode is Mode.COLD and not self.console.answers():
            self.reporter.warn("the admin console does not answer yet: look at `docker logs hermes_commandbox`")
        if plan.stopping and MAIL_CONTAINER in plan.going_on:
            MailQueue(self.recovery.stack).deliver_now(self.reporter)
        return result

    @property
    def retention(self) -> Retention:
        """What removes older backups."""
        return Retention(self.files, self.reporter)

    def retain(self, policy: RetentionPolicy, result: BackupResult) -> None:
        """Remove the older backups that ``policy`` does not keep, if ``result`` is a success in full."""
        if not result.problems:
            self.retention.carry_out(policy, result.path)
