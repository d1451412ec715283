"""What is in one member of a backup, read to its last byte."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import BinaryIO

from attrs import field, frozen

from hermes_backup_core.archive.dumps import DumpFacts, check_dumps
from hermes_backup_core.archive.gunzip import GarbledGzip, inflated
from hermes_backup_core.archive.ldif import check_ldif
from hermes_backup_core.archive.tier_content import check_tier
from hermes_backup_core.domain.contents import DumpContents, TierContents
from hermes_backup_core.domain.scope import DATABASES, DATABASES_MEMBER, LDAP_MEMBER, LDAP_SUFFIX, Tier
from hermes_backup_core.domain.selection import TierSelection

_SMALL_FILE = re.compile(
    r"\.env|docker-compose\.yml|config/hermes/opt/hermes/creds/[^/]+"
    r"|config/ldap/(?:.*/)?slapd\.d/cn=config/olcDatabase=[^/]*"
)


@frozen
class Found:
    """What one member holds, and what is wrong with it."""

    problems: tuple[str, ...] = ()
    tiers: Mapping[Tier, TierContents] = field(factory=dict)
    dumps: Mapping[str, DumpContents] = field(factory=dict)
    ldap_entries: int | None = None


Check = Callable[[BinaryIO], Found]


def checks_of(backup: Mapping[Tier, TierSelection], host: Mapping[Tier, TierSelection]) -> dict[str, Check]:
    """Return how each member is checked, by its name; one that is not among them holds any text."""
    tiers = {tier.member: _tier_check(tier, backup[tier], host[tier]) for tier in backup}
    return {**tiers, DATABASES_MEMBER: _check_databases, LDAP_MEMBER: _check_directory}


def check_text(file: BinaryIO) -> Found:
    """Read what should be a gzip file of any text."""
    try:
        for _ in inflated(file):
            pass
    except GarbledGzip as err:
        return Found((_damaged(err.reason),))
    return Found()


def is_small_file(name: str) -> bool:
    """Whether a restore must know the file called ``name`` in the install root beforehand."""
    return _SMALL_FILE.fullmatch(name) is not None


def _tier_check(tier: Tier, backup: TierSelection, host: TierSelection) -> Check:
    def check(file: BinaryIO) -> Found:
        content = check_tier(inflated(file), backup, host)
        problems = (*content.problems, *([_damaged(content.damage)] if content.damage else []))
        return Found(problems, {tier: TierContents(content.entries, content.content_bytes, content.excluded)})

    return check


def _check_databases(file: BinaryIO) -> Found:
    dumps, problems = check_dumps(file, DATABASES)
    return Found(problems, dumps={name: _dump_contents(facts) for name, facts in dumps.items()})


def _check_directory(file: BinaryIO) -> Found:
    try:
        facts = check_ldif(inflated(file), LDAP_SUFFIX)
    except GarbledGzip as err:
        return Found((_damaged(err.reason),), ldap_entries=0)
    return Found(facts.problems, ldap_entries=facts.entries)


def _dump_contents(facts: DumpFacts) -> DumpContents:
    return DumpContents(
        tables=facts.tables,
        text_bytes=facts.text_bytes,
        defaults=facts.database_defaults,
        charsets=facts.charsets,
        collations=facts.collations,
        engines=facts.engines,
        views=len(facts.views),
        programs=facts.triggers + facts.routines + facts.events,
    )


def _damaged(reason: str) -> str:
    return f"it is damaged ({reason})"
