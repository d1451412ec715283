"""Facts of a host in order, for tests that change one of them."""

from __future__ import annotations

from typing import Any

from attrs import evolve

from hermes_backup_core.domain.host import (
    ComposeProject,
    Container,
    HostFacts,
    OutputFacts,
    Room,
    TierFacts,
    TierSize,
)
from hermes_backup_core.domain.naming import BackupName
from hermes_backup_core.domain.scope import DATABASES, Scope, Tier
from hermes_backup_core.domain.topology import Topology

TOPOLOGY = Topology("/opt/hermes", "/mnt/data", "/mnt/archive", "/mnt/vmail", "/mnt/files")
NAME = BackupName(Scope.ALL, "v260119", "20260601T103000Z")
SERVICES = ("hermes_commandbox", "hermes_db_server", "hermes_ldap", "hermes_nextcloud")


def tier_facts(tier: Tier, topology: Topology = TOPOLOGY, **changes: Any) -> TierFacts:
    """Facts of a tier that is in order: 1,000 bytes in 10 entries."""
    found = TierFacts(
        tier, topology.path(tier), topology.select(tier), is_folder=True, is_empty=False, size=TierSize(1000, 10)
    )
    return evolve(found, **changes)


def containers(**states: str) -> tuple[Container, ...]:
    """Four containers that run, but for those whose state is given."""
    return tuple(Container(name, states.get(name, "running")) for name in SERVICES)


def output_facts(**changes: Any) -> OutputFacts:
    """A folder with room in it."""
    return evolve(OutputFacts("/backups", "/backups", None, Room(1 << 40, 1000), frozenset()), **changes)


def facts_of(scope: Scope = Scope.ALL, topology: Topology = TOPOLOGY, **changes: Any) -> HostFacts:
    """Facts of a host in order."""
    facts = HostFacts(
        hostname="mail.example.com",
        topology=topology,
        resolved=topology,
        tiers=tuple(tier_facts(tier, topology) for tier in scope.tiers),
        output=output_facts(),
        project=ComposeProject("hermes", {"dbase": "/mnt/data/dbase"}),
        containers=containers(),
        build_no="v260119",
        databases=dict.fromkeys(DATABASES, 1000) if scope.has_dumps else None,
    )
    return evolve(facts, **changes)


def with_tier(tier: Tier, scope: Scope = Scope.ALL, **changes: Any) -> HostFacts:
    """Facts of a host of which one tier is changed."""
    facts = facts_of(scope)
    tiers = tuple(evolve(found, **changes) if found.tier is tier else found for found in facts.tiers)
    return evolve(facts, tiers=tiers)
