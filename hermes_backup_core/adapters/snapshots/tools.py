"""How the tools that make snapshots are called, and what to do where one is missing."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence

from plumbum import local

from hermes_backup_core.adapters.process import NOT_FOUND, Door
from hermes_backup_core.domain.errors import CommandFailed, SnapshotLeft
from hermes_backup_core.domain.paths import shown
from hermes_backup_core.domain.snapshots import Ground, Snapshot

# Seconds; a tool that waits for a disk that has gone never ends.
PATIENCE = 300.0
SYSTEM = "/usr/local/sbin:/usr/sbin:/sbin"

ONLY_ROOT = Ground(unknown="whether it can be packed from a snapshot, only root can find out")


def tool(argv: Sequence[str], *, fine: Sequence[int] = (0,)) -> str:
    """Run ``argv`` in English and return what it printed; raises `CommandFailed`.

    It is waited for also where a signal comes: half a snapshot is worse than a late end.
    """
    # A crontab's PATH may well end before the folders in which these lie.
    path = f"{local.env.get('PATH', '')}:{SYSTEM}"
    said = Door({"LC_ALL": "C", "PATH": path}).run(argv, timeout=PATIENCE, fine=fine, to_its_end=True)
    return os.fsdecode(said)


def why_not(err: CommandFailed, package: str) -> Ground:
    """Return the ground of which no snapshot can be had since a tool failed as ``err`` tells."""
    if err.exit_code == NOT_FOUND:
        return Ground(problem=f"`{err.argv[0]}` is not there, which the package {package} has")
    return Ground(problem=str(err))


def is_root() -> bool:
    """Whether this user may ask the tools."""
    return os.geteuid() == 0


def left(snapshot: Snapshot, reason: object, *command: str) -> SnapshotLeft:
    """Return the error that tells that ``snapshot`` could not be removed, and which ``command`` does it by hand."""
    return SnapshotLeft(shown(snapshot.of), str(reason), shown(shlex.join(command)))
