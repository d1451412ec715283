"""Which containers a restore or a cold backup touches, and why; the others go on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from attrs import field, frozen

from hermes_backup_core.domain.host import DATABASE_CONTAINER, LDAP_CONTAINER, ComposeProject, Container, MountOnHost
from hermes_backup_core.domain.scope import Tier
from hermes_backup_core.domain.selection import TierSelection

_SERVERS = (DATABASE_CONTAINER, LDAP_CONTAINER)


@frozen
class Footing:
    """What containers stand on: the project, its containers, and where each mount lies on the host."""

    project: ComposeProject
    containers: tuple[Container, ...]
    mounts: tuple[MountOnHost, ...] = ()


@frozen
class Reach:
    """What is about to be read or exchanged: ``tiers`` with what they own here, by every way to it; the databases.

    ``exchanged`` where what the tiers hold is renamed away, and not only read; with the config tier, ``future`` is
    what Compose will make of the install root then (None: nobody knows), and services in ``unforeseen`` may be told
    something else by then all the same.
    """

    tiers: Mapping[Tier, tuple[TierSelection, ...]]
    databases: bool
    exchanged: bool = False
    future: ComposeProject | None = None
    unforeseen: frozenset[str] = field(default=frozenset())


_FILES_BROUGHT_IN = re.compile(rb"^[ \t-]*[\"']?(?:include|extends|env_file|label_file)[\"']?\s*:", re.MULTILINE)


def brings_in_files(compose_file: bytes) -> bool:
    """Whether a Compose file makes services of other files, too, which Compose reads as they are now."""
    return _FILES_BROUGHT_IN.search(compose_file) is not None


def touched(footing: Footing, reach: Reach) -> dict[str, str]:
    """Return the containers, running or not, that must not run meanwhile, in their order, each with a reason."""
    services = dict(_touched_first(footing, reach))
    names = {container.name: service_of(container) for container in footing.containers}
    reasons = {
        name: services.get(service) or services.get(name) or _unknown(service, footing.project)
        for name, service in names.items()
    }
    found = {name: reason for name, reason in reasons.items() if reason}
    _add_dependents(found, footing, services)
    return {name: found[name] for name in names if name in found}


def service_of(container: Container) -> str:
    """Return the Compose service that ``container`` is of."""
    return container.service or container.name


def _touched_first(footing: Footing, reach: Reach) -> Iterator[tuple[str, str]]:
    """Yield the services that are touched themselves, the most telling reason last, as that is the one that stays."""
    project = footing.project
    if reach.exchanged and Tier.CONFIG in reach.tiers:
        yield from _changed(project, reach)
    for tier in reach.tiers:
        for mount in footing.mounts:
            if reason := _disturbed(mount, tier, reach):
                yield mount.service, reason
    if reach.databases:
        for name, service in project.services.items():
            if clients := [server for server in _SERVERS if server in service.mentions]:
                yield name, f"client of {' and '.join(clients)}"
        yield from ((server, "its data is in scope") for server in _SERVERS)


def _changed(project: ComposeProject, reach: Reach) -> Iterator[tuple[str, str]]:
    future = reach.future.services if reach.future else {}
    for name, service in project.services.items():
        if name not in future:
            yield name, "is not in the backup's Compose file"
        elif future[name].digest != service.digest:
            yield name, "is another one in the backup's Compose file"
        elif name in reach.unforeseen:
            yield name, "may be another one with the backup's files"


def _disturbed(mount: MountOnHost, tier: Tier, reach: Reach) -> str | None:
    """Return what ``mount`` has of ``tier`` that must not be in use meanwhile, or None."""
    pairs = [(selection, way) for selection in reach.tiers[tier] for way in mount.ways]
    holds = any(selection.holds(way) for selection, way in pairs)
    if not mount.read_only and (holds or any(selection.leads(way) for selection, way in pairs)):
        return f"mounts the {tier.value} tier"
    if not (reach.exchanged and holds):
        return None
    if mount.is_file:  # it is exchanged by a rename, and whoever goes on would look at the one that is gone
        return f"mounts a file of the {tier.value} tier"
    # What it read at its start is not what it would read now.
    return "mounts the config tier" if tier is Tier.CONFIG else None


def _unknown(service: str, project: ComposeProject) -> str:
    """Return why a container of ``service`` is touched whatever it may be: nobody can tell what it mounts."""
    return "" if service in project.services else "is not in Compose's configuration"


def _add_dependents(found: dict[str, str], footing: Footing, services: Mapping[str, str]) -> None:
    """Add to ``found`` whoever needs one of them, and whoever needs those."""
    needed = {container.name: frozenset(_needs(container, footing.project)) for container in footing.containers}
    gone = {word for container in footing.containers if container.name in found for word in _words(container)}
    # A service that has no container is gone, too: who needs it may have its mounts (volumes_from).
    gone |= {*services, *_dependents_of(services, footing.project)}
    while more := {name: on for name, on in needed.items() if name not in found and on & gone}:
        for container in footing.containers:
            if on := more.get(container.name):
                found[container.name] = f"depends on {min(on & gone)}"
                gone |= set(_words(container))


def _dependents_of(services: Iterable[str], project: ComposeProject) -> set[str]:
    """Return the services that need one of ``services``, or one that does."""
    gone = set(services)
    while more := {name for name, service in project.services.items() if name not in gone and service.needs & gone}:
        gone |= more
    return gone


def _needs(container: Container, project: ComposeProject) -> Iterator[str]:
    yield from (needed.name for needed in container.depends_on)
    if service := project.services.get(service_of(container)):
        yield from service.needs


def _words(container: Container) -> Sequence[str]:
    return container.name, service_of(container)
