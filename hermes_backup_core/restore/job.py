"""A restore from the operator's request to its end: prove, look, judge, plan, carry out; undo or finish."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from attrs import frozen

from hermes_backup_core.domain.checks import Verdict
from hermes_backup_core.domain.contents import Contents
from hermes_backup_core.domain.gates import GateResult, run_gates, verdict_of
from hermes_backup_core.domain.manifest import Manifest
from hermes_backup_core.domain.record import RunRecord
from hermes_backup_core.domain.restore_plan import RestorePlan, RestoreRequest
from hermes_backup_core.domain.restore_planning import plan_restore
from hermes_backup_core.domain.restore_record import RestoreRecord
from hermes_backup_core.ports import Clock, Files, Reporter
from hermes_backup_core.restore.content import prove, read_manifest
from hermes_backup_core.restore.databases import Databases
from hermes_backup_core.restore.folders import Folders
from hermes_backup_core.restore.host import Host
from hermes_backup_core.restore.ledger import Ledger
from hermes_backup_core.restore.result import RestoreResult
from hermes_backup_core.restore.run import RestoreRun
from hermes_backup_core.restore.steps import Steps
from hermes_backup_core.restore.survey import RestoreSurvey
from hermes_backup_core.restore_ports import RestoreJournal
from hermes_backup_core.services.ldap_restore import DirectoryLoader


class KilledBackups(Protocol):
    """What tells of a backup that was killed on this host, and puts right what it left."""

    def leftovers(self) -> RunRecord | None:
        """Return what it left, or None."""
        ...

    def put_right(self, record: RunRecord) -> None:
        """Give back to the host what it took, and say so; raises `Refused` where that fails."""
        ...


@frozen
class Prospect:
    """What a restore would do, and what the gates say of it. ``plan`` is None where they refuse it."""

    request: RestoreRequest
    contents: Contents
    gates: tuple[GateResult, ...]
    verdict: Verdict
    plan: RestorePlan | None

    @property
    def manifest(self) -> Manifest:
        """What the backup says of itself."""
        return self.contents.manifest


@frozen
class RestoreJob:
    """Everything that restores of one install root need, put together."""

    survey: RestoreSurvey
    backups: KilledBackups
    journal: RestoreJournal
    host: Host
    folders: Folders
    databases: Databases
    loader: DirectoryLoader
    files: Files
    clock: Clock
    reporter: Reporter

    def interrupted(self) -> RestoreRecord | None:
        """Return what a restore that never ended left, or None."""
        return self.journal.read()

    def backup_leftovers(self) -> RunRecord | None:
        """Return what a backup that was killed left on this host, or None."""
        return self.backups.leftovers()

    def put_right(self, record: RunRecord) -> None:
        """Give back to the host what a killed backup took, and say so; raises `Refused` where that fails."""
        self.backups.put_right(record)

    def prepare(self, request: RestoreRequest) -> Prospect:
        """Read the whole backup, look at the host, and return what a restore would do; changes nothing."""
        manifest = read_manifest(request.path)
        contents = prove(request.path, self.survey.selections(manifest.scope.tiers), self.reporter)
        facts = self.survey.look(request, contents)
        gates = run_gates(request, contents, facts)
        verdict = verdict_of(gates)
        plan = None if verdict.refusals else plan_restore(request, contents, facts)
        return Prospect(request, contents, gates, verdict, plan)

    def carry_out(
        self, prospect: Prospect, run: RunRecord, uninterruptible: Callable[[], None] = lambda: None
    ) -> RestoreResult:
        """Do what ``prospect`` plans. ``run`` names this run, for whoever finds it killed.

        The caller holds the install root's lock. Raises what made it fail, when everything is as before again.
        """
        prospect.verdict.require()
        if prospect.plan is None:
            raise ValueError("a restore that the gates refuse has no plan")
        record = RestoreRecord(run.pid, run.command, run.since, prospect.plan)
        restore = self._run(record, prospect.contents, uninterruptible)
        restore.carry_out()
        return self._result(restore)

    def undo(self, record: RestoreRecord, run: RunRecord, uninterruptible: Callable[[], None] = lambda: None) -> None:
        """Go back to the state before the restore that ``record`` tells of."""
        uninterruptible()
        self._run(record, None, uninterruptible).go_back(run)

    def finish(
        self, record: RestoreRecord, run: RunRecord, uninterruptible: Callable[[], None] = lambda: None
    ) -> RestoreResult:
        """Go on to the state that the restore of ``record`` set out for."""
        restore = self._run(record, None, uninterruptible)
        restore.finish(run)
        return self._result(restore)

    def _run(self, record: RestoreRecord, contents: Contents | None, uninterruptible: Callable[[], None]) -> RestoreRun:
        ledger = Ledger(record, self.journal)
        steps = Steps(
            ledger=ledger,
            host=self.host,
            folders=self.folders,
            databases=self.databases,
            loader=self.loader,
            files=self.files,
            reporter=self.reporter,
            contents=contents,
        )
        return RestoreRun(steps, ledger, self.clock, self.reporter, uninterruptible)

    def _result(self, restore: RestoreRun) -> RestoreResult:
        plan = restore.ledger.record.plan
        return RestoreResult(
            plan=plan,
            tiers=tuple((tier.tier, tier.entries, tier.content_bytes) for tier in plan.tiers),
            tables=sum(plan.tables.values()),
            ldap_entries=plan.directory.entries if plan.directory else None,
            seconds=restore.seconds,
            stack_down=restore.stack_down,
            remarks=tuple(restore.steps.remarks),
        )
