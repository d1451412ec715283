"""Backups of a Hermes Secure Email Gateway: topology, plan, run, and the files that come of it.

Everything here is what other tooling may rely on; every error is a `HermesBackupError` that reads as what
to do next. `docs/library.md` has an example of each.
"""

from hermes_backup_core.api import PreparedBackup, plan_backup, read_topology, run_backup
from hermes_backup_core.archive.backup_file import Backup, VerifiedBackup, read_backup, verify_backup
from hermes_backup_core.archive.reader import DamagedBackup, NotABackup
from hermes_backup_core.backup.result import BackupResult, MemberResult
from hermes_backup_core.domain.errors import HermesBackupError, Refused
from hermes_backup_core.domain.manifest import ArchiveEntry, Manifest, ManifestError
from hermes_backup_core.domain.plan import BackupPlan, BackupRequest
from hermes_backup_core.domain.scope import Mode, Scope, Tier
from hermes_backup_core.domain.topology import Topology
from hermes_backup_core.ports import Reporter

__all__ = [
    "ArchiveEntry",
    "Backup",
    "BackupPlan",
    "BackupRequest",
    "BackupResult",
    "DamagedBackup",
    "HermesBackupError",
    "Manifest",
    "ManifestError",
    "MemberResult",
    "Mode",
    "NotABackup",
    "PreparedBackup",
    "Refused",
    "Reporter",
    "Scope",
    "Tier",
    "Topology",
    "VerifiedBackup",
    "plan_backup",
    "read_backup",
    "read_topology",
    "run_backup",
    "verify_backup",
]
