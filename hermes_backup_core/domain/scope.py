"""What can be backed up: the five tiers, the five scopes over them, and what each scope's tarball holds."""

from __future__ import annotations

from enum import Enum

DATABASES = ("hermes", "authelia", "opendmarc", "Syslog", "djigzo", "nextcloud")
"""The six databases, in the order in which every backup holds them."""

LDAP_SUFFIX = "dc=hermes,dc=local"

MANIFEST_MEMBER = "backup_manifest.json"
DATABASES_MEMBER = "databases.tar.gz"
LDAP_MEMBER = "ldap.ldif.gz"
ACCOUNTS_MEMBER = "accounts.sql.gz"


class Mode(Enum):
    """Whether mail keeps flowing while the backup is made."""

    HOT = "hot"
    COLD = "cold"


class Tier(Enum):
    """One of the five storage tiers; its value is its name in file names and messages."""

    CONFIG = "config"
    DATA = "data"
    ARCHIVE = "archive"
    VMAIL = "vmail"
    NEXTCLOUD = "nextcloud"

    @property
    def member(self) -> str:
        """The name of the tier's archive inside a backup."""
        return f"{self.value}.tar.gz"


MOUNT_KEYS = {
    Tier.DATA: "DATA_MOUNT",
    Tier.ARCHIVE: "ARCHIVE_MOUNT",
    Tier.VMAIL: "VMAIL_MOUNT",
    Tier.NEXTCLOUD: "FILES_MOUNT",
}
"""The `.env` key that says where a tier lies. The config tier is the install root itself."""


class Scope(Enum):
    """What one backup covers; its value is what ``-B`` takes."""

    SYSTEM = "system"
    ARCHIVE = "archive"
    VMAIL = "vmail"
    NEXTCLOUD = "nextcloud"
    ALL = "all"

    @property
    def tiers(self) -> tuple[Tier, ...]:
        """The tiers in this scope, in the order of the archives in a manifest."""
        return _TIERS[self]

    @property
    def has_dumps(self) -> bool:
        """Whether the six databases, the LDAP directory and the accounts belong to this scope."""
        return Tier.DATA in self.tiers

    @property
    def members(self) -> tuple[str, ...]:
        """The archives that a backup of this scope must hold, as every generation of the tool names them."""
        dumps = (DATABASES_MEMBER, LDAP_MEMBER) if self.has_dumps else ()
        return dumps + tuple(tier.member for tier in self.tiers)


_TIERS = {
    Scope.SYSTEM: (Tier.CONFIG, Tier.DATA),
    Scope.ARCHIVE: (Tier.ARCHIVE,),
    Scope.VMAIL: (Tier.VMAIL,),
    Scope.NEXTCLOUD: (Tier.NEXTCLOUD,),
    Scope.ALL: tuple(Tier),
}
