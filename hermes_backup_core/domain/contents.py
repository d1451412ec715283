"""What a backup was found to hold when every byte of it was read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attrs import field, frozen

from hermes_backup_core.domain.manifest import Manifest
from hermes_backup_core.domain.scope import Tier


@frozen
class TierContents:
    """What unpacking a tier's archive makes. ``excluded`` are names of the archive that are not to be unpacked."""

    entries: int
    content_bytes: int
    excluded: tuple[str, ...] = ()


@frozen
class DumpContents:
    """What one dump holds. ``tables`` are tables and sequences; ``text_bytes`` is the length of its text.

    ``defaults`` are the database's character set and collation, as its CREATE DATABASE has them; ``charsets``,
    ``collations`` and ``engines`` are all that its tables name.
    """

    tables: frozenset[str]
    text_bytes: int
    defaults: str = ""
    charsets: frozenset[str] = frozenset()
    collations: frozenset[str] = frozenset()
    engines: frozenset[str] = frozenset()
    views: int = 0
    programs: int = 0


@frozen
class Contents:
    """Everything that was found in a backup; ``problems`` are what is wrong with it, one sentence each.

    ``ldap_entries`` is None where the scope has no directory. ``files`` are the small files of the install
    root that a restore must know beforehand (`.env`, Compose's file, credentials), by their path there.
    """

    manifest: Manifest
    problems: tuple[str, ...] = ()
    tiers: Mapping[Tier, TierContents] = field(factory=dict)
    dumps: Mapping[str, DumpContents] = field(factory=dict)
    ldap_entries: int | None = None
    files: Mapping[str, bytes] = field(factory=dict)


@frozen
class Loaded:
    """What a database becomes whose tables are staged: its character set and collation, its views and programs."""

    database: str
    defaults: str
    programs: Iterable[bytes]
