"""What a backup does, step by step, as data.

Steps that switch something off hold the steps that need it off, so the plan's shape says what is down
while what happens, and the run can put it back whatever goes wrong in between.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from attrs import field, frozen

from hermes_backup_core.domain.host import (
    DATABASE_CONTAINER,
    LDAP_CONTAINER,
    NEXTCLOUD_CONTAINER,
)
from hermes_backup_core.domain.paths import shown
from hermes_backup_core.domain.scope import (
    ACCOUNTS_MEMBER,
    DATABASES_MEMBER,
    LDAP_MEMBER,
    LDAP_SUFFIX,
    Tier,
)
from hermes_backup_core.domain.selection import TierSelection
from hermes_backup_core.domain.snapshots import (
    Snapshot,
    is_snapshot,
)
from hermes_backup_core.domain.stopping import counted


@frozen
class ExportDirectory:
    """Write the LDAP directory as LDIF."""

    def __str__(self) -> str:
        return f"export the LDAP directory {LDAP_SUFFIX} to {LDAP_MEMBER} (slapcat in {LDAP_CONTAINER})"


@frozen
class ExportAccounts:
    """Write the database accounts of the applications, with their grants."""

    def __str__(self) -> str:
        return f"export the applications' database accounts to {ACCOUNTS_MEMBER}"


@frozen
class DumpDatabase:
    """Dump one database into the databases' archive."""

    database: str

    def __str__(self) -> str:
        return f"dump database {self.database} to {DATABASES_MEMBER} (mariadb-dump in {DATABASE_CONTAINER})"


@frozen
class PackTier:
    """Pack what ``selection`` names into the tier's archive; ``content_bytes`` and ``entries`` as surveyed."""

    tier: Tier
    selection: TierSelection
    content_bytes: int
    entries: int

    def __str__(self) -> str:
        folders = " and ".join(shown(folder) or "everything" for folder in self.selection.folders)
        left_out = ", ".join(shown(folder) for folder in self.selection.left_out if not is_snapshot(folder))
        without = f", less {left_out}" if left_out else ""
        state = ", from the snapshot," if self.selection.seen_at else ""
        return (
            f"pack {folders} of {shown(self.selection.root)}{without}{state} to {self.tier.member}"
            f" ({self.entries:,} entries, {self.content_bytes:,} bytes)"
        )


@frozen
class TakeSnapshots:
    """Make ``snapshots``. A tier whose snapshot cannot be made after all is packed live.

    The tiers ``now_or_never`` are packed right then in that case, since what is off now is needed for it.
    """

    snapshots: tuple[Snapshot, ...]
    now_or_never: tuple[Tier, ...] = ()

    def __str__(self) -> str:
        made = (f"{snapshot} for {_listed(snapshot.tiers)}" for snapshot in self.snapshots)
        return f"take a read-only snapshot of {'; of '.join(made)}"


@frozen
class DropSnapshots:
    """Remove ``snapshots``: the last tier has been read from them."""

    snapshots: tuple[Snapshot, ...]

    def __str__(self) -> str:
        return f"remove the snapshot of {', '.join(shown(snapshot.of) for snapshot in self.snapshots)}"


@frozen
class WhileNextcloudInMaintenance:
    """Keep Nextcloud's users from writing during ``steps``."""

    steps: tuple[Step, ...]

    def __str__(self) -> str:
        return f"with Nextcloud in maintenance mode (occ in {NEXTCLOUD_CONTAINER}; mail is not affected):"


@frozen
class WhileStackStopped:
    """Stop ``containers`` (those that run), and start exactly these again after ``steps``.

    ``untouched`` are the containers, running or not, that may run meanwhile, and ``going_on`` those of them that run
    now; ``reasons`` tell of others why they may not.
    """

    containers: tuple[str, ...]
    steps: tuple[Step, ...]
    untouched: tuple[str, ...] = ()
    going_on: tuple[str, ...] = ()
    reasons: Mapping[str, str] = field(factory=dict)

    def __str__(self) -> str:
        if self.going_on:
            return f"with {counted(len(self.containers))} stopped: {_names(self.containers)}:"
        return f"with the stack stopped ({len(self.containers)} containers that run now: {_names(self.containers)}):"


@frozen
class WhileServing:
    """Start ``containers`` for ``steps``, and stop them again."""

    containers: tuple[str, ...]
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        return f"with only {_names(self.containers)} up:"


Step = (
    ExportDirectory
    | ExportAccounts
    | DumpDatabase
    | PackTier
    | TakeSnapshots
    | DropSnapshots
    | WhileNextcloudInMaintenance
    | WhileStackStopped
    | WhileServing
)
Bracket = (WhileNextcloudInMaintenance, WhileStackStopped, WhileServing)


def flattened(steps: tuple[Step, ...]) -> Iterator[Step]:
    """Yield every step that does work, in the order in which they are carried out."""
    for step in steps:
        if isinstance(step, Bracket):
            yield from flattened(step.steps)
        else:
            yield step


def _names(containers: tuple[str, ...]) -> str:
    return ", ".join(containers) or "none"


def _listed(tiers: tuple[Tier, ...]) -> str:
    *others, last = (tier.value for tier in tiers)
    return f"{', '.join(others)} and {last}" if others else last
