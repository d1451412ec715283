"""Snapshots as btrfs, LVM and ZFS make them, and which of the three a folder lies on."""

from hermes_backup_core.adapters.snapshots.host import HostSnapshots

__all__ = ["HostSnapshots"]
