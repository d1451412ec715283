"""What the composition root makes, over the fakes of one host."""

from __future__ import annotations

from pathlib import Path

from hermes_backup_core.backup.job import BackupJob
from hermes_backup_core.backup.recovery import Recovery
from hermes_backup_core.backup.result import BackupResult
from hermes_backup_core.backup.survey import Survey
from hermes_backup_core.domain.plan import BackupRequest
from hermes_backup_core.domain.record import RunRecord
from hermes_backup_core.domain.scope import Mode, Scope
from hermes_backup_core.services.console import Console
from hermes_backup_core.services.ldap import Directory
from hermes_backup_core.services.mariadb import MariaDB
from hermes_backup_core.services.nextcloud import Nextcloud
from tests.unit.fakes.files import MemoryFiles, MemoryTiers
from tests.unit.fakes.host import OUTPUT, ROOT, MemoryHost
from tests.unit.fakes.stack import MemoryStack
from tests.unit.fakes.watching import MemoryClock, MemoryJournal, MemoryReporter

HOSTNAME = "mail.example.com"
RECORD = RunRecord(4711, "system_backup.sh -B all", "2026-06-01 12:30:00")


def survey_of(host: MemoryHost) -> Survey:
    """Return what looks at ``host``."""
    stack = MemoryStack(host)
    return Survey(
        root=ROOT,
        hostname=HOSTNAME,
        stack=stack,
        files=MemoryFiles(host),
        tiers=MemoryTiers(host),
        database=MariaDB(stack),
        directory=Directory(stack),
    )


def recovery_of(host: MemoryHost) -> Recovery:
    """Return what puts ``host`` right."""
    stack = MemoryStack(host)
    return Recovery(stack, Nextcloud(stack), MemoryFiles(host), MemoryClock(host))


def job_of(host: MemoryHost) -> BackupJob:
    """Return what makes backups of ``host``."""
    return BackupJob(
        survey=survey_of(host),
        recovery=recovery_of(host),
        console=Console(MemoryStack(host), MemoryClock(host)),
        files=MemoryFiles(host),
        clock=MemoryClock(host),
        journal=MemoryJournal(host),
        reporter=MemoryReporter(host),
    )


def request_of(scope: Scope = Scope.ALL, mode: Mode = Mode.HOT, maintenance: bool = True) -> BackupRequest:
    """Return a request for a backup into the host's folder for backups."""
    return BackupRequest(scope, OUTPUT, mode, maintenance)


def back_up(host: MemoryHost, request: BackupRequest | None = None) -> BackupResult:
    """Survey ``host``, check it, and make the backup."""
    job = job_of(host)
    plan, verdict = job.prepare(request or request_of())
    verdict.require()
    return job.carry_out(plan, RECORD, host.shield)


def saved(host: MemoryHost, path: str, folder: Path) -> str:
    """Write the host's file ``path`` into the real ``folder``, for those who read it there; return where."""
    target = folder / path.rpartition("/")[2]
    target.write_bytes(host.files[path])
    return str(target)
