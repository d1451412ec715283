"""Backups that no run made: small, whole, and as old as a test wants them."""

from __future__ import annotations

from pathlib import Path

from hermes_backup_core.archive.outer import OuterTar
from hermes_backup_core.domain.manifest import ArchiveEntry, Manifest
from hermes_backup_core.domain.naming import BackupName
from hermes_backup_core.domain.scope import DATABASES_MEMBER, LDAP_MEMBER, Mode, Scope
from hermes_backup_core.domain.topology import Topology

TOPOLOGY = Topology("/opt/hermes", "/mnt/data", "/mnt/archive", "/mnt/vmail", "/mnt/files")


def manifest_of(name: BackupName, archives: dict[str, ArchiveEntry]) -> Manifest:
    """The manifest of the backup ``name``."""
    return Manifest(name.build, name.scope, Mode.HOT, name.stamp, "mail.example.com", TOPOLOGY, archives)


def lay_down(folder: Path, stamp: str, *, scope: Scope = Scope.VMAIL, build: str = "v1") -> Path:
    """Put a whole backup of ``stamp`` into ``folder``, with the logs of its making and of a restore."""
    name = BackupName(scope, build, stamp)
    path = folder / name.tarball
    with path.open("x+b") as file:
        outer = OuterTar(file, mtime=1)
        archives = {}
        dumps = (DATABASES_MEMBER, LDAP_MEMBER) if scope.has_dumps else ()
        for member in (*dumps, *(tier.member for tier in scope.tiers)):
            with outer.member(member) as sink:
                sink.write(member.encode() * 1000)
            archives[member] = ArchiveEntry(sink.record.sha256, sink.record.size_bytes)
        outer.finish(manifest_of(name, archives).render())
    for log in (name.log, name.restore_log):
        (folder / log).write_text("done\n")
    return path


def cut_short(path: Path) -> None:
    """Damage a backup as a copy that broke off would."""
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
