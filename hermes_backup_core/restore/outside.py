"""Where on the host something lies that a service finds at a path in its container."""

from __future__ import annotations

from hermes_backup_core.domain.host import ComposeProject, Mount
from hermes_backup_core.domain.paths import is_within, join, normalised, relative


def mount_over(project: ComposeProject, service: str, inside: str) -> Mount | None:
    """Return the mount of ``service`` that ``inside`` lies at or below, the innermost one, or None."""
    mounts = [
        mount
        for mount in project.mounts
        if mount.service == service and is_within(normalised(inside), normalised(mount.target))
    ]
    return max(mounts, key=lambda mount: len(normalised(mount.target)), default=None)


def outside(mount: Mount, inside: str) -> str:
    """Return where on the host ``inside``, which lies at or below the target of ``mount``, is."""
    return join(mount.source, relative(normalised(inside), normalised(mount.target)))
