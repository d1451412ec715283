"""What must hold of the ground of a tier, for a backup and for a restore alike."""

from __future__ import annotations

from collections.abc import Iterator

from hermes_backup_core.domain.host import TierFacts
from hermes_backup_core.domain.paths import shown
from hermes_backup_core.domain.scope import MOUNT_KEYS


def label(found: TierFacts) -> str:
    """Return what people call the tier: its name, its key in `.env`, its path."""
    key = MOUNT_KEYS.get(found.tier, "the install root")
    return f"the {found.tier.value} tier ({key}, {shown(found.path)})"


def tier_refusals(found: TierFacts, *, where_new: str = "") -> Iterator[str]:
    """Yield what is wrong with the tier as it lies there.

    ``where_new`` goes on with what to do where nothing is amiss but that its disk is a new one.
    """
    if not found.is_folder:
        yield f"{label(found)} is not there: mount its disk, or correct the path in .env"
        return
    for point in found.unmounted:
        yield (
            f"{label(found)} should have a disk mounted at {shown(point)}, as /etc/fstab says, and has none: "
            f"run `mount {shown(point)}`"
        )
    if found.is_empty:
        remedy = "mount it, or correct the path in .env" + (where_new and f".{where_new}")
        yield f"{label(found)} is empty, as an unmounted disk would be: {remedy}"
    elif found.missing:
        folders = ", ".join(shown(folder) for folder in found.missing)
        yield f"{label(found)} lacks {folders}, which Compose's volumes need: is its disk mounted?{where_new}"
    for link, target in found.linked_away:
        yield (
            f"{shown(link)} is a link to {shown(target)}, which no backup of the {found.tier.value} tier would hold: "
            f"mount that folder there instead (`mount --bind {shown(target)} {shown(link)}`)"
        )


def tier_unknown(found: TierFacts) -> Iterator[str]:
    """Yield what this user could not look at."""
    if not found.is_readable:
        yield f"{label(found)} can be looked into by root only"
