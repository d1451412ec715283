"""Snapshots of logical volumes, mounted for this process alone."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from hermes_backup_core.adapters.mounts import MountLine, Sight
from hermes_backup_core.adapters.snapshots.namespace import enter_private_mounts
from hermes_backup_core.adapters.snapshots.tools import ONLY_ROOT, is_root, left, tool, why_not
from hermes_backup_core.domain.errors import CommandFailed
from hermes_backup_core.domain.figures import size
from hermes_backup_core.domain.snapshots import Ground, Reserve, Snapshot, SnapshotKind, Volume
from hermes_backup_core.ports import Clock

# What a classic snapshot keeps for changes: a tenth of the volume, and not so little that a busy hour fills it.
_SHARE = 10
_AT_LEAST = 64 << 20

_PACKAGE = "lvm2"
_COLUMNS = (
    *("vg_name", "lv_name", "lv_attr", "lv_size", "vg_free", "vg_extent_size"),
    *("pool_lv", "origin", "lv_kernel_major", "lv_kernel_minor"),
)
_REPORT = ("lvs", "--reportformat", "json", "--units", "b", "--nosuffix", "--options")
_INCOMPLETE = 5
_GONE = "Failed to find logical volume"
_UNKNOWN_GROUP = "Volume group"  # … "vg" not found
_INVALID = "IS"  # lvs(8): an invalid snapshot, also while it is suspended
_STATE, _KIND = 4, 0  # places in lv_attr
_TRIES = 15
# Journals are not replayed: the volume was frozen for the moment of the snapshot, and nothing can be written to it.
_OPTIONS = {
    "xfs": ("ro,nouuid,norecovery",),
    "ext2": ("ro",),
    "ext3": ("ro", "ro,noload"),
    "ext4": ("ro", "ro,noload"),
}


@frozen
class Lvm:
    """Makes snapshots with `lvcreate`. ``devices`` is where the kernel tells of block devices."""

    clock: Clock
    devices: str = "/sys/dev/block"

    def look(self, seen: tuple[Sight, ...]) -> Ground:
        """Return the logical volume that the folder's file system lies on, and what a snapshot would take."""
        sight, mount = seen[0], seen[0].mount
        if not self._is_logical(mount):
            return Ground(problem=f"it lies on {mount.filesystem} without LVM, of which no snapshot can be had")
        if mount.filesystem not in _OPTIONS:
            return Ground(problem=f"it lies on {mount.filesystem}, whose snapshots cannot be mounted safely")
        if not is_root():
            return ONLY_ROOT
        try:
            found = _volume_of(mount.device)
        except CommandFailed as err:
            return why_not(err, _PACKAGE)
        if found is None:
            return Ground(problem=f"`lvs` does not list the volume {mount.source} that it lies on")
        name = f"{found['vg_name']}/{found['lv_name']}"
        if found["lv_attr"][_KIND] in "sS":
            return Ground(problem=f"it lies on {name}, which is a snapshot itself")
        reserve = None if found["pool_lv"] else _reserve(found)
        volume = Volume(
            SnapshotKind.LVM,
            name,
            f"lvm {name}",
            mount.point,
            sight.inside.lstrip("/"),
            reserve=reserve,
            filesystem=mount.filesystem,
        )
        return Ground(volume)

    def take(self, snapshot: Snapshot) -> None:
        """Make ``snapshot`` and mount it, where only this thread and what it starts sees it."""
        group, _, name = snapshot.name.partition("/")
        making = ("lvcreate", "--snapshot", "--permission", "r", "--setactivationskip", "n", "--name", name)
        room = ("--size", f"{snapshot.reserved}b") if snapshot.reserved else ()
        tool((*making, *room, snapshot.of))
        if not snapshot.reserved:
            # Some hosts are configured to skip thin snapshots, whatever was said when they were made.
            tool(("lvchange", "--activate", "y", "--ignoreactivationskip", snapshot.name))
        os.mkdir(snapshot.place, 0o700)
        enter_private_mounts()
        _mount(f"/dev/{group}/{name}", snapshot)

    def problem(self, snapshot: Snapshot) -> str | None:
        """Return that ``snapshot`` has overflowed, where it has: what was read since is not to be trusted."""
        (found,) = _report(("lv_attr",), snapshot.name)
        if found["lv_attr"][_STATE] not in _INVALID:
            return None
        return (
            f"it ran full, as more than the {size(snapshot.reserved)} kept for changes were written to "
            f"{snapshot.of} while it was read"
        )

    def remove(self, snapshot: Snapshot) -> bool:
        """Unmount and remove ``snapshot``, and return whether there was one."""
        command = ("lvremove", "--yes", snapshot.name)
        try:
            if os.path.ismount(snapshot.place):
                tool(("umount", snapshot.place))
            if os.path.isdir(snapshot.place):
                os.rmdir(snapshot.place)
            return self._removed(command)
        except (CommandFailed, OSError) as err:
            raise left(snapshot, err, *command) from err

    def _removed(self, command: Sequence[str]) -> bool:
        """Run ``command`` until the volume is no longer in use, by udev, say, which looks at it; return what `remove`.

        What nobody has any more is not waited for, nor what LVM does not know.
        """
        tries_left = _TRIES
        while True:
            try:
                tool(command)
                return True
            except CommandFailed as err:
                if _GONE in err.stderr:
                    return False
                tries_left -= 1
                if not tries_left or _UNKNOWN_GROUP in err.stderr:
                    raise
                self.clock.sleep(1.0)

    def _is_logical(self, mount: MountLine) -> bool:
        try:
            return Path(self.devices, mount.device, "dm/uuid").read_text(encoding="ascii").startswith("LVM-")
        except OSError:
            return False


def _mount(device: str, snapshot: Snapshot) -> None:
    *others, last = _OPTIONS[snapshot.filesystem]
    for options in others:
        try:
            tool(_mounting(device, snapshot, options))
            return
        except CommandFailed:
            continue
    tool(_mounting(device, snapshot, last))


def _mounting(device: str, snapshot: Snapshot, options: str) -> tuple[str, ...]:
    return ("mount", "--types", snapshot.filesystem, "--options", options, device, snapshot.place)


def _report(columns: Sequence[str], *names: str) -> list[dict[str, str]]:
    """Return what `lvs` says of the volumes ``names``, of all where there are none; sizes are in bytes."""
    argv = (*_REPORT, ",".join(columns), *names)
    said = tool(argv, fine=(0, _INCOMPLETE))
    try:
        content: Any = json.loads(said)
    except ValueError as err:
        raise CommandFailed(argv, 0, f"its report is no JSON: {said.strip()}") from err
    volumes = [volume for report in content["report"] for volume in report["lv"]]
    # With JSON, it says nothing on stderr; and a group that it cannot read is no matter where another was meant.
    errors = [str(entry["log_message"]) for entry in content.get("log", ()) if entry["log_type"] == "error"]
    if errors and not volumes:
        raise CommandFailed(argv, _INCOMPLETE, "\n".join(errors))
    return volumes


def _volume_of(device: str) -> dict[str, str] | None:
    """Return the volume whose device is ``device`` (major:minor)."""
    found = (lv for lv in _report(_COLUMNS) if f"{lv['lv_kernel_major']}:{lv['lv_kernel_minor']}" == device)
    return next(found, None)


def _reserve(found: dict[str, str]) -> Reserve:
    whole, extent = int(found["lv_size"]), int(found["vg_extent_size"])
    wanted = min(whole, max(whole // _SHARE, _AT_LEAST))
    needed = -(-wanted // extent) * extent
    return Reserve(found["vg_name"], needed, int(found["vg_free"]))
