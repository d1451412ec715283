"""Results of runs that never were."""

from __future__ import annotations

from hermes_backup_core.backup.result import BackupResult, MemberResult
from hermes_backup_core.domain.manifest import Manifest
from hermes_backup_core.domain.scope import Mode, Scope
from hermes_backup_core.domain.topology import Topology

TOPOLOGY = Topology("/opt/hermes", "/mnt/data", "/mnt/archive", "/mnt/vmail", "/mnt/files")


def result_of(
    *,
    path: str = "/mnt/backups/hermes-backup-vmail-v1-20260601T103000Z.tar",
    members: tuple[MemberResult, ...] = (),
    seconds: float = 1.0,
    stack_down: float = 0.0,
    in_maintenance: float = 0.0,
    problems: tuple[str, ...] = (),
) -> BackupResult:
    """Return the result of a backup of the vmail tier."""
    manifest = Manifest("v1", Scope.VMAIL, Mode.HOT, "20260601T103000Z", "mail.example.com", TOPOLOGY, archives={})
    return BackupResult(path, 70 << 10, manifest, members, seconds, stack_down, in_maintenance, problems)
