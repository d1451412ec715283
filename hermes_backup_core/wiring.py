"""The composition root: the only place where the real adapters are named."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from hermes_backup_core.adapters.clock import SystemClock
from hermes_backup_core.adapters.compose import ComposeStack
from hermes_backup_core.adapters.files import HostFiles
from hermes_backup_core.adapters.gnu_tar import GnuTar
from hermes_backup_core.adapters.snapshots import HostSnapshots
from hermes_backup_core.adapters.state import STATE_FOLDER, RestoreState, RunState
from hermes_backup_core.backup.job import BackupJob
from hermes_backup_core.backup.recovery import Recovery
from hermes_backup_core.backup.survey import Survey
from hermes_backup_core.domain.record import RunRecord
from hermes_backup_core.ports import Clock, Files, Mailer, Reporter
from hermes_backup_core.restore_ports import RestoreJournal
from hermes_backup_core.services.console import Console
from hermes_backup_core.services.ldap import Directory
from hermes_backup_core.services.mariadb import MariaDB
from hermes_backup_core.services.nextcloud import Nextcloud
from hermes_backup_core.services.postfix import PostfixMailer

if TYPE_CHECKING:
    from hermes_backup_core.restore.job import RestoreJob


def host_files() -> Files:
    """Return the file systems of this machine."""
    return HostFiles()


def run_record(command: str) -> RunRecord:
    """Return what names a run of this process, begun now, to others."""
    return RunRecord(os.getpid(), command, f"{SystemClock().now().astimezone():%Y-%m-%d %H:%M:%S}")


def host_clock() -> Clock:
    """Return the clock of this machine."""
    return SystemClock()


def run_state(root: str, environ: Mapping[str, str]) -> RunState:
    """Return the lock and the journal of the install root ``root``."""
    return RunState.of(root, environ.get("HERMES_BACKUP_STATE") or STATE_FOLDER)


def restore_journal(root: str, environ: Mapping[str, str]) -> RestoreJournal:
    """Return where restores of the install root ``root`` keep their record."""
    return RestoreState.of(root, environ.get("HERMES_BACKUP_STATE") or STATE_FOLDER)


def mailer(environ: Mapping[str, str]) -> Mailer:
    """Return what sends notifications; it needs no install root, so that a missing one can be told."""
    return PostfixMailer(ComposeStack("/", environ, SystemClock()))


def backup_job(root: str, environ: Mapping[str, str], reporter: Reporter) -> BackupJob:
    """Return what makes backups of the install root ``root``; raises `Refused` where its `.env` is not fit."""
    clock, files = SystemClock(), HostFiles()
    stack, snapshots = ComposeStack(root, environ, clock), HostSnapshots.of(clock)
    survey = Survey(
        root=root,
        hostname=socket.gethostname(),
        stack=stack,
        files=files,
        tiers=GnuTar(),
        database=MariaDB(stack),
        directory=Directory(stack),
        snapshots=snapshots,
        in_parallel=True,
    )
    return BackupJob(
        survey=survey,
        recovery=Recovery(stack, Nextcloud(stack), files, clock, snapshots),
        console=Console(stack, clock),
        files=files,
        clock=clock,
        journal=run_state(root, environ),
        reporter=reporter,
    )


def restore_job(root: str, environ: Mapping[str, str], reporter: Reporter) -> RestoreJob:
    """Return what restores backups on the install root ``root``; raises `Refused` where its `.env` is not fit."""
    # Here, since a backup does without all of it.
    from hermes_backup_core.adapters.machine import own_addresses
    from hermes_backup_core.adapters.tier_target import GnuTarTarget
    from hermes_backup_core.adapters.trees import HostTrees
    from hermes_backup_core.restore.credentials import root_passwords
    from hermes_backup_core.restore.databases import Databases
    from hermes_backup_core.restore.folders import Folders
    from hermes_backup_core.restore.host import Host
    from hermes_backup_core.restore.job import RestoreJob
    from hermes_backup_core.restore.survey import RestoreSurvey
    from hermes_backup_core.services.accounts import Accounts
    from hermes_backup_core.services.containers import Containers
    from hermes_backup_core.services.ldap_restore import DirectoryLoader
    from hermes_backup_core.services.postfix import MailQueue
    from hermes_backup_core.services.schemas import Schemas

    clock, files, trees, target = SystemClock(), HostFiles(), HostTrees(), GnuTarTarget()
    stack = ComposeStack(root, environ, clock)
    database = MariaDB(stack, passwords=lambda: root_passwords(root, files))
    nextcloud, schemas, journal = Nextcloud(stack), Schemas(database), restore_journal(root, environ)
    survey = RestoreSurvey(
        root=root,
        hostname=socket.gethostname(),
        stack=stack,
        files=files,
        trees=trees,
        target=target,
        database=database,
        schemas=schemas,
        nextcloud=nextcloud,
        addresses=own_addresses,
        keeps=(str(run_state(root, environ).folder), str(Path(__file__).resolve().parent.parent)),
    )
    return RestoreJob(
        survey=survey,
        backups=backup_job(root, environ, reporter),
        journal=journal,
        host=Host(
            stack=stack,
            containers=Containers(stack, clock, reporter),
            database=database,
            nextcloud=nextcloud,
            console=Console(stack, clock),
            clock=clock,
            queue=MailQueue(stack),
        ),
        folders=Folders(trees, target),
        databases=Databases(schemas, Accounts(database), journal),
        loader=DirectoryLoader(stack),
        files=files,
        clock=clock,
        reporter=reporter,
    )
