"""What a finished backup tells: the file, its members, and the figures that matter."""

from __future__ import annotations

from attrs import frozen

from hermes_backup_core.domain.manifest import Manifest


@frozen
class MemberResult:
    """One member of the finished file: bytes in the file, bytes of content, seconds."""

    name: str
    size_bytes: int
    content_bytes: int
    seconds: float


@frozen
class BackupResult:
    """A finished backup. ``path`` is the file's; times are seconds.

    ``problems`` tell what the run switched off and could not switch on again; the file is whole all the same.
    """

    path: str
    size_bytes: int
    manifest: Manifest
    members: tuple[MemberResult, ...]
    seconds: float
    stack_down: float
    in_maintenance: float
    problems: tuple[str, ...]
