"""Backups of a Hermes Secure Email Gateway: topology, plan, run, and the files that come of it.

Everything here is what other tooling may rely on; every error is a `HermesBackupError` that reads as what
to do next. `docs/library.md` has an example of each.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hermes_backup_core.api import (
        PreparedBackup,
        PreparedRestore,
        plan_backup,
        plan_restore,
        plan_retention,
        read_topology,
        run_backup,
        run_restore,
    )
    from hermes_backup_core.archive.backup_file import Backup, VerifiedBackup, read_backup, verify_backup
    from hermes_backup_core.archive.reader import DamagedBackup, NotABackup
    from hermes_backup_core.backup.result import BackupResult, MemberResult
    from hermes_backup_core.domain.errors import HermesBackupError, Refused
    from hermes_backup_core.domain.interrupted import RestoreInterrupted
    from hermes_backup_core.domain.manifest import ArchiveEntry, Manifest, ManifestError
    from hermes_backup_core.domain.plan import BackupPlan, BackupRequest
    from hermes_backup_core.domain.remap import Remap, RemapUnclear
    from hermes_backup_core.domain.restore_plan import RestorePlan, RestoreRequest
    from hermes_backup_core.domain.retention import RetentionPlan, RetentionPolicy
    from hermes_backup_core.domain.scope import Mode, Scope, Tier
    from hermes_backup_core.domain.snapshots import SnapshotPolicy
    from hermes_backup_core.domain.topology import Topology
    from hermes_backup_core.ports import Reporter
    from hermes_backup_core.restore.result import RestoreResult

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
    "PreparedRestore",
    "Refused",
    "Remap",
    "RemapUnclear",
    "Reporter",
    "RestoreInterrupted",
    "RestorePlan",
    "RestoreRequest",
    "RestoreResult",
    "RetentionPlan",
    "RetentionPolicy",
    "Scope",
    "SnapshotPolicy",
    "Tier",
    "Topology",
    "VerifiedBackup",
    "plan_backup",
    "plan_restore",
    "plan_retention",
    "read_backup",
    "read_topology",
    "run_backup",
    "run_restore",
    "verify_backup",
]

# Where each name comes from at its first use, so that a script loads what it needs and no more.
_HOMES = {
    "api": (
        *("PreparedBackup", "plan_backup", "read_topology", "run_backup"),
        *("PreparedRestore", "plan_restore", "run_restore", "plan_retention"),
    ),
    "archive.backup_file": ("Backup", "VerifiedBackup", "read_backup", "verify_backup"),
    "archive.reader": ("DamagedBackup", "NotABackup"),
    "backup.result": ("BackupResult", "MemberResult"),
    "domain.errors": ("HermesBackupError", "Refused"),
    "domain.interrupted": ("RestoreInterrupted",),
    "domain.manifest": ("ArchiveEntry", "Manifest", "ManifestError"),
    "domain.plan": ("BackupPlan", "BackupRequest"),
    "domain.remap": ("Remap", "RemapUnclear"),
    "domain.restore_plan": ("RestorePlan", "RestoreRequest"),
    "domain.retention": ("RetentionPlan", "RetentionPolicy"),
    "domain.scope": ("Mode", "Scope", "Tier"),
    "domain.snapshots": ("SnapshotPolicy",),
    "domain.topology": ("Topology",),
    "ports": ("Reporter",),
    "restore.result": ("RestoreResult",),
}

# Not for a type checker, to which every name would then be known.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        home = next((home for home, names in _HOMES.items() if name in names), None)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = globals()[name] = getattr(import_module(f"{__name__}.{home}"), name)
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
