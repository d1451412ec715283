"""What the composition root makes, over the fakes of one host."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hermes_backup_core.backup.job import BackupJob
from hermes_backup_core.backup.recovery import Recovery
from hermes_backup_core.backup.result import BackupResult
from hermes_backup_core.backup.survey import Survey
from hermes_backup_core.domain.host import Kind, Mount
from hermes_backup_core.domain.paths import is_within
from hermes_backup_core.domain.plan import BackupRequest
from hermes_backup_core.domain.record import RunRecord
from hermes_backup_core.domain.scope import Mode, Scope
from hermes_backup_core.domain.snapshots import SnapshotPolicy
from hermes_backup_core.restore.credentials import root_passwords
from hermes_backup_core.restore.databases import Databases
from hermes_backup_core.restore.folders import Folders
from hermes_backup_core.restore.host import Host
from hermes_backup_core.restore.job import RestoreJob
from hermes_backup_core.restore.survey import RestoreSurvey
from hermes_backup_core.services.console import Console
from hermes_backup_core.services.containers import Containers
from hermes_backup_core.services.ldap import Directory
from hermes_backup_core.services.mariadb import MariaDB
from hermes_backup_core.services.nextcloud import Nextcloud
from hermes_backup_core.services.postfix import MailQueue
from tests.unit.fakes.directory import MemoryLoader
from tests.unit.fakes.files import MemoryFiles, MemoryTiers
from tests.unit.fakes.host import OUTPUT, ROOT, MemoryHost, plain_host
from tests.unit.fakes.programs import DEFAULTS
from tests.unit.fakes.schemas import MemoryAccounts, MemorySchemas
from tests.unit.fakes.snapshots import MemorySnapshots
from tests.unit.fakes.stack import MemoryStack
from tests.unit.fakes.state import Database
from tests.unit.fakes.target import MemoryTarget
from tests.unit.fakes.trees import MemoryTrees, remove
from tests.unit.fakes.watching import MemoryClock, MemoryJournal, MemoryReporter, MemoryRestoreJournal

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
        snapshots=MemorySnapshots(host),
    )


def recovery_of(host: MemoryHost) -> Recovery:
    """Return what puts ``host`` right."""
    stack = MemoryStack(host)
    return Recovery(stack, Nextcloud(stack), MemoryFiles(host), MemoryClock(host), MemorySnapshots(host))


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


def request_of(
    scope: Scope = Scope.ALL,
    mode: Mode = Mode.HOT,
    maintenance: bool = True,
    snapshot: SnapshotPolicy = SnapshotPolicy.NEVER,
) -> BackupRequest:
    """Return a request for a backup into the host's folder for backups."""
    return BackupRequest(scope, OUTPUT, mode, maintenance, snapshot=snapshot)


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


def restore_survey_of(host: MemoryHost) -> RestoreSurvey:
    """Return what looks at ``host`` before a restore."""
    stack = MemoryStack(host)
    return RestoreSurvey(
        root=ROOT,
        hostname=HOSTNAME,
        stack=stack,
        files=MemoryFiles(host),
        trees=MemoryTrees(host),
        target=MemoryTarget(host),
        database=server_of(host),
        schemas=MemorySchemas(host),
        nextcloud=Nextcloud(stack),
        addresses=lambda: frozenset({"127.0.0.1"}),
    )


def server_of(host: MemoryHost) -> MariaDB:
    """Return the database server of ``host``, as a restore asks it."""
    return MariaDB(MemoryStack(host), passwords=lambda: root_passwords(ROOT, MemoryFiles(host)))


def restore_job_of(host: MemoryHost) -> RestoreJob:
    """Return what restores backups on ``host``."""
    stack, clock, reporter = MemoryStack(host), MemoryClock(host), MemoryReporter(host)
    containers = Containers(stack, clock, reporter)
    journal = MemoryRestoreJournal(host)
    return RestoreJob(
        survey=restore_survey_of(host),
        backups=job_of(host),
        journal=journal,
        host=Host(stack, containers, server_of(host), Nextcloud(stack), Console(stack, clock), clock, MailQueue(stack)),
        folders=Folders(MemoryTrees(host), MemoryTarget(host)),
        databases=Databases(MemorySchemas(host), MemoryAccounts(host), journal),
        loader=MemoryLoader(host),
        files=MemoryFiles(host),
        clock=clock,
        reporter=reporter,
    )


CREDENTIALS = f"{ROOT}/config/hermes/opt/hermes/creds"
SLAPD_CONFIG = f"{ROOT}/config/ldap/etc/ldap/slapd.d"
LDAP_FILE = "/mnt/data/ldap/data/data.mdb"
MOUNTED = {
    "hermes_authelia": {CREDENTIALS: "/creds"},
    "hermes_commandbox": {f"{ROOT}/config/hermes/opt/hermes": "/opt/hermes-host", "/": "/host/root"},
    "hermes_db_server": {"/mnt/data/dbase": "/config"},
    "hermes_dovecot": {"/mnt/vmail": "/srv/mail"},
    "hermes_ldap": {"/mnt/data/ldap/data": "/var/lib/ldap", SLAPD_CONFIG: "/etc/ldap/slapd.d"},
    "hermes_nextcloud": {"/mnt/files": "/var/www/html"},
}
DATABASE_USERS = {name: f"{name} secret" for name in ("hermes", "authelia", "nextcloud")}
ROOT_PASSWORD = "root secret"
SLAPD_DATABASE = b"dn: olcDatabase={1}mdb\nolcDbDirectory: /var/lib/ldap\nolcSuffix: dc=hermes,dc=local\n"
PROGRAM = b"/*!50003 CREATE*/ /*!50017 DEFINER=`root`@`localhost`*/ /*!50003 %s */;;\n"
TRIGGER = b"TRIGGER `first` BEFORE INSERT ON `child` FOR EACH ROW SET NEW.`id` = 1"
EVENT = b"EVENT `nightly` ON SCHEDULE EVERY 1 DAY DO DELETE FROM `child`"


def restore_host(**changes: Any) -> MemoryHost:
    """Return a host with a little of everything that a backup holds; owners and modes count on it."""
    host = plain_host(**changes)
    _add_installation(host)
    _add_database(host)
    host.volumes = {**host.volumes, "ldap": "/mnt/data/ldap/data", "nextcloud": "/mnt/files"}
    host.files[LDAP_FILE], host.ldap_file = host.ldif, LDAP_FILE
    host.add("/mnt/data/nginx/keys/site.key", b"key")
    host.add("/mnt/vmail/example.com/bob/cur/2", b"more mail")
    host.links["/mnt/data/nginx/current"] = "site.conf"
    host.mounts = tuple(
        Mount(service, Kind.VOLUME if source in host.volumes.values() else Kind.BIND, source, target, source == "/")
        for service, mounted in MOUNTED.items()
        for source, target in mounted.items()
    )
    host.images = dict.fromkeys(host.boxes, "hermes-miniature")
    host.devices = {f"/mnt/{name}": number for number, name in enumerate(("data", "archive", "vmail", "files"), 1)}
    host.shapes = {**dict.fromkeys(host.folders, "0:0 0755"), **dict.fromkeys(host.files, "0:0 0644")}
    host.shapes |= {"/mnt/vmail": "5000:5000 0700", CREDENTIALS: "0:0 0700", LDAP_FILE: "101:102 0600"}
    return host


def _add_installation(host: MemoryHost) -> None:
    host.add(f"{CREDENTIALS}/mysql_root_password", ROOT_PASSWORD.encode())
    for user, password in DATABASE_USERS.items():
        host.add(f"{CREDENTIALS}/{user}_username", user.encode())
        host.add(f"{CREDENTIALS}/{user}_password", password.encode() + b"\n")
    host.add(f"{SLAPD_CONFIG}/cn=config.ldif", b"dn: cn=config\nobjectClass: olcGlobal\n")
    host.add(f"{SLAPD_CONFIG}/cn=config/olcDatabase={{1}}mdb.ldif", SLAPD_DATABASE)
    host.add(f"{ROOT}/scripts/system_backup.sh", b"#!/bin/sh\n")
    host.add(f"{ROOT}/scripts/system_restore.sh", b"#!/bin/sh\n")


def _add_database(host: MemoryHost) -> None:
    database = host.database
    database.tables["hermes"]["system_settings"] = b"INSERT INTO `system_settings` VALUES (1,'build_no','v260119');\n"
    database.secret_file, database.password = f"{CREDENTIALS}/mysql_root_password", ROOT_PASSWORD
    database.users = dict(DATABASE_USERS)
    database.accounts = [(user, "%", "N") for user in DATABASE_USERS]
    database.programs = dict.fromkeys(database.tables, PROGRAM % TRIGGER + PROGRAM % EVENT)
    database.defaults = dict.fromkeys(database.tables, DEFAULTS)


def damaged(host: MemoryHost) -> MemoryHost:
    """Return ``host`` with everything that a backup holds changed, added to or gone, and still fit for a restore."""
    _damage_files(host)
    _damage_database(host.database)
    host.files[LDAP_FILE] = b"dn: dc=hermes,dc=local\ndc: hermes\n\n"
    # Root gets in by the file there is, and by the backup's no more.
    host.files[f"{CREDENTIALS}/mysql_root_password"], host.database.password = b"another root's", "another root's"
    for folder in (f"{ROOT}/config", "/mnt/data/nginx", "/mnt/archive/2026", "/mnt/vmail", "/mnt/files/data"):
        host.shapes[folder] = "7:7 0777"
    return host


def _damage_files(host: MemoryHost) -> None:
    tiers = (ROOT, "/mnt/data", "/mnt/archive", "/mnt/vmail", "/mnt/files")
    for path in sorted(host.files):
        if any(is_within(path, tier) for tier in tiers) and not path.startswith(UNTOUCHED):
            host.files[path] += b"# damaged\n"
    for tier in tiers:
        host.add(f"{tier}/added/later", b"not in the backup")
        host.shapes |= {f"{tier}/added": "0:0 0755", f"{tier}/added/later": "0:0 0644"}
    remove(host, ["/mnt/vmail/example.com/bob/cur/2", "/mnt/data/nginx/current", f"{CREDENTIALS}/authelia_password"])


UNTOUCHED = (
    f"{ROOT}/install-logs",
    f"{ROOT}/scripts",
    f"{CREDENTIALS}/hermes_username",
    f"{CREDENTIALS}/mysql_root_password",
    "/mnt/data/dbase",
    LDAP_FILE,
    SLAPD_CONFIG,
)
"""What no restore brings back, and what a host cannot do without."""


def _damage_database(database: Database) -> None:
    for tables in database.tables.values():
        tables["parent"] = b"INSERT INTO `parent` VALUES (9,'damaged');\n"
        tables["later"] = b"INSERT INTO `later` VALUES (1);\n"
        del tables["child"]
    database.programs = {name: PROGRAM % EVENT.replace(b"nightly", b"damaged") for name in database.tables}
    database.defaults = dict.fromkeys(database.tables, "CHARACTER SET latin1 COLLATE latin1_swedish_ci")
    database.users = dict.fromkeys(list(database.users)[1:], "changed")
