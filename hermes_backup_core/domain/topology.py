"""Where the tiers of a host lie, and which folders below those paths belong to which tier.

A host may give every tier a disk of its own, nest one mount in another, or point all four keys at one
path. So a tier is a set of folders: everything below its mount where it has that for itself, and its
customary folders where it shares. Paths are compared by whole components and are never patterns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from attrs import frozen

from hermes_backup_core.domain.errors import Refused
from hermes_backup_core.domain.paths import is_below, is_within, join, normalised, relative
from hermes_backup_core.domain.scope import MOUNT_KEYS, Tier
from hermes_backup_core.domain.selection import TierSelection

_SHARED_FOLDERS = {
    Tier.ARCHIVE: ("amavis",),
    Tier.VMAIL: ("dovecot",),
    Tier.NEXTCLOUD: ("app", "redis"),
    # The data tier owns whatever no other tier does, and these two although they lie in one of Dovecot's.
    Tier.DATA: ("", "dovecot/logs", "dovecot/sieve"),
}

_NEVER_BACKED_UP = {
    Tier.CONFIG: ("install-logs", ".git"),
    # Live files of MariaDB, slapd and ClamAV: dumps and the LDIF hold the first two, the last can be had again.
    Tier.DATA: ("dbase", "mysql", "ldap/data", "mail_filter/data/clamav", "clamav"),
}

# A restore swaps what lies directly below a tier's path, so these can never be one themselves …
_SYSTEM_FOLDERS = frozenset(
    {
        *("/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib32", "/lib64", "/libx32", "/lost+found"),
        *("/opt", "/proc", "/root", "/run", "/sbin", "/sys", "/tmp", "/usr", "/var"),  # noqa: S108 - refused
        *("/var/cache", "/var/lib", "/var/lib/docker", "/var/log", "/var/run", "/var/spool", "/var/tmp"),  # noqa: S108
    }
)
# … and nothing below these can.
_SYSTEM_TREES = ("/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/proc", "/sbin", "/sys", "/usr")


def path_problem(value: str) -> str | None:
    """Return why ``value`` cannot be the path of a tier or the install root, or None where it can."""
    if not value:
        return "is empty"
    if not value.startswith("/"):
        return f"is not an absolute path ({value})"
    if "\0" in value or "\n" in value:
        return f"holds a line break or a NUL ({value!r})"
    if any(part in (".", "..") for part in value.split("/")):
        return f"is not a plain path ({value} goes through '.' or '..')"
    path = normalised(value)
    if path in _SYSTEM_FOLDERS or any(is_within(path, tree) for tree in _SYSTEM_TREES):
        return f"is a folder of the operating system ({path})"
    return None


@frozen
class Topology:
    """The path of every tier, absolute and normalised; built only from paths that can be a tier's."""

    config: str
    data: str
    archive: str
    vmail: str
    nextcloud: str

    @classmethod
    def from_env(cls, root: str, env: Mapping[str, str]) -> Topology:
        """Return the topology of the install root ``root`` whose `.env` holds ``env``.

        Raises `Refused` with a reason for every path that is missing or cannot be a tier's.
        """
        reasons = []
        if problem := path_problem(root):
            reasons.append(f"the install root {problem}: set HERMES_ROOT to the folder of docker-compose.yml")
        for tier, key in MOUNT_KEYS.items():
            problem = path_problem(env[key]) if key in env else "is not set"
            if problem:
                reasons.append(f"{key} in {root}/.env {problem}: set it to the folder of the {tier.value} tier")
        if reasons:
            raise Refused(tuple(reasons))
        return cls(normalised(root), *(normalised(env[key]) for key in MOUNT_KEYS.values()))

    def path(self, tier: Tier) -> str:
        """Return the path of ``tier``."""
        path: str = getattr(self, tier.value)
        return path

    def map(self, change: Callable[[str], str]) -> Topology:
        """Return this topology with ``change`` applied to every path (links resolved, say)."""
        return Topology(*(change(self.path(tier)) for tier in Tier))

    def shares(self, tier: Tier) -> bool:
        """Whether another tier's path is the same as that of ``tier``."""
        return sum(self.path(other) == self.path(tier) for other in Tier) > 1

    def folders(self, tier: Tier) -> tuple[str, ...]:
        """Return the folders that ``tier`` owns, as absolute paths; what lies below them may be another's."""
        path = self.path(tier)
        names = _SHARED_FOLDERS.get(tier, ("",)) if self.shares(tier) else ("",)
        if tier is Tier.DATA and self.path(Tier.VMAIL) != path:
            names = ("",)
        return tuple(join(path, name) for name in names)

    def select(self, tier: Tier, live: tuple[str, ...] = ()) -> TierSelection:
        """Return what a backup of ``tier`` packs and what it leaves out; call it with links resolved.

        ``live`` are further folders (absolute) that hold files of a running database.
        """
        path = self.path(tier)
        mine = self.folders(tier)
        never = [join(path, name) for name in _NEVER_BACKED_UP.get(tier, ())]
        if tier is Tier.DATA:
            never += live
        theirs = [folder for other in Tier if other is not tier for folder in self.folders(other)]
        left_out = {
            folder for folder in (*never, *theirs) if any(is_below(folder, own) for own in mine) and folder not in mine
        }
        return TierSelection(
            root=path,
            folders=tuple(relative(folder, path) for folder in mine),
            left_out=tuple(sorted(relative(folder, path) for folder in left_out)),
        )

    def owner(self, path: str) -> Tier | None:
        """Return the tier that ``path`` (absolute, links resolved) belongs to, or None."""
        owned = [(folder, tier) for tier in Tier for folder in self.folders(tier) if is_within(path, folder)]
        return max(owned, key=lambda pair: len(pair[0]))[1] if owned else None

    def conflicts(self) -> tuple[str, ...]:
        """Return what makes the tiers' folders ambiguous; call it with links resolved."""
        on_root = [tier for tier in Tier if tier is not Tier.CONFIG and self.path(tier) == self.config]
        owners: dict[str, list[str]] = {}
        for tier in Tier:
            for folder in () if tier in on_root else self.folders(tier):
                owners.setdefault(folder, []).append(tier.value)
        return (
            *(
                f"the {tier.value} tier lies at {self.config}, which is the install root: give it a folder of its own"
                for tier in on_root
            ),
            *(
                f"{folder} belongs to the tiers {' and '.join(tiers)} at once: give one of them another path in .env"
                for folder, tiers in owners.items()
                if len(tiers) > 1
            ),
        )
