"""A backup that was proven and a host that is in order, for tests that change one thing of them."""

from __future__ import annotations

from typing import Any

from attrs import evolve

from hermes_backup_core.domain.contents import Contents, DumpContents, TierContents
from hermes_backup_core.domain.host import ComposeProject, Room
from hermes_backup_core.domain.manifest import ArchiveEntry, Manifest
from hermes_backup_core.domain.restore_facts import DirectoryFacts, Place, RestoreFacts, ServerFacts
from hermes_backup_core.domain.restore_plan import RestoreRequest
from hermes_backup_core.domain.scope import DATABASES, Mode, Scope, Tier
from hermes_backup_core.domain.topology import Topology
from tests.unit.domain.facts import TOPOLOGY, containers, tier_facts

REQUEST = RestoreRequest("/backups/b.tar")
BUILD = "v260119"
PROJECT = ComposeProject("hermes", {"dbase": "/mnt/data/dbase"}, {"dbase": '{"device": "/mnt/data/dbase"}'})
# Every file system has an identity of its own.
ROOMS = {tier: Room(1 << 40, 1 << 20, device) for device, tier in enumerate(Tier)}


def manifest_of(scope: Scope = Scope.ALL, **changes: Any) -> Manifest:
    """The manifest of a backup that was made on the host of `facts_of`."""
    manifest = Manifest(
        build_no=BUILD,
        scope=scope,
        mode=Mode.HOT,
        timestamp="20260601T103000Z",
        hostname="mail.example.com",
        topology=TOPOLOGY,
        archives={name: ArchiveEntry("0" * 64, 1) for name in scope.members},
    )
    return evolve(manifest, **changes)


def dump_of(**changes: Any) -> DumpContents:
    """A dump of two tables that any server understands."""
    dump = DumpContents(
        tables=frozenset({"parent", "child"}),
        text_bytes=1000,
        charsets=frozenset({"utf8mb4"}),
        collations=frozenset({"utf8mb4_general_ci"}),
        engines=frozenset({"InnoDB"}),
    )
    return evolve(dump, **changes)


def contents_of(scope: Scope = Scope.ALL, manifest: Manifest | None = None, **changes: Any) -> Contents:
    """A sound backup: 1,000 bytes in 10 entries a tier, two tables a database, 52 LDAP entries."""
    contents = Contents(
        manifest=manifest or manifest_of(scope),
        tiers={tier: TierContents(10, 1000) for tier in scope.tiers},
        dumps={name: dump_of() for name in DATABASES} if scope.has_dumps else {},
        ldap_entries=52 if scope.has_dumps else None,
    )
    return evolve(contents, **changes)


def place_of(tier: Tier, topology: Topology = TOPOLOGY, **changes: Any) -> Place:
    """The ground of a tier that is in order, on a disk of its own."""
    place = Place(tier_facts(tier, topology), rooms={topology.path(tier): ROOMS[tier]})
    return evolve(place, **changes)


def server_of(**changes: Any) -> ServerFacts:
    """A server that knows what the dumps need."""
    server = ServerFacts(
        build_no=BUILD,
        is_fresh=False,
        present=DATABASES,
        charsets=frozenset({"utf8mb4", "utf8mb3"}),
        collations=frozenset({"utf8mb4_general_ci", "utf8mb3_general_ci", "uca1400_ai_ci"}),
        engines=frozenset({"InnoDB", "SEQUENCE"}),
        room=Room(1 << 40, None, 100),
    )
    return evolve(server, **changes)


def facts_of(scope: Scope = Scope.ALL, topology: Topology = TOPOLOGY, **changes: Any) -> RestoreFacts:
    """Facts of a host in order, which a backup of ``scope`` came from."""
    facts = RestoreFacts(
        hostname="mail.example.com",
        root="/opt/hermes",
        topology=topology,
        resolved=topology,
        places={tier: place_of(tier, topology) for tier in scope.tiers},
        project=PROJECT,
        containers=containers(),
        server=server_of() if scope.has_dumps else server_of(charsets=frozenset(), room=None),
        directory=DirectoryFacts(
            "/mnt/data/ldap/data", "/var/lib/ldap", "/opt/hermes/slapd.d", "/etc/ldap/slapd.d", Room(1 << 40, None, 101)
        ),
        future=PROJECT if Tier.CONFIG in scope.tiers else None,
    )
    return evolve(facts, **changes)


def with_place(tier: Tier, scope: Scope = Scope.ALL, **changes: Any) -> RestoreFacts:
    """Facts of a host of which the ground of one tier is changed."""
    facts = facts_of(scope)
    return evolve(facts, places={**facts.places, tier: evolve(facts.places[tier], **changes)})


def with_found(tier: Tier, scope: Scope = Scope.ALL, **changes: Any) -> RestoreFacts:
    """Facts of a host of which what was found of one tier is changed."""
    return with_place(tier, scope, found=tier_facts(tier, **changes))
