"""Where the paths of a backup's host differ from this host's, and which of that the operator lets pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from attrs import frozen

from hermes_backup_core.domain.manifest import Manifest
from hermes_backup_core.domain.paths import normalised, shown
from hermes_backup_core.domain.remap import Remap, RemapUnclear
from hermes_backup_core.domain.restore_plan import RestoreRequest
from hermes_backup_core.domain.scope import Tier
from hermes_backup_core.domain.topology import Topology


@frozen
class Difference:
    """A tier that lay at ``there`` on the backup's host and lies at ``here`` on this one."""

    tier: Tier
    there: str
    here: str

    @property
    def pair(self) -> str:
        """What to give to ``--remap-tiers`` for it: the paths, or names where those cannot be told apart or typed."""
        pair = f"{self.there}:{self.here}"
        return pair if _is_clear(pair) else f"{self.tier.value}:{self.tier.value}"

    def __str__(self) -> str:
        return f"{self.tier.value}: {shown(self.there)} there, {shown(self.here)} here"


def differences(manifest: Manifest, topology: Topology) -> tuple[Difference, ...]:
    """Return the tiers of ``manifest`` that lie elsewhere in ``topology``, which is this host's."""
    there = manifest.topology.map(normalised)
    pairs = ((tier, there.path(tier), topology.path(tier)) for tier in Tier)
    return tuple(Difference(tier, old, new) for tier, old, new in pairs if old != new)


def uncovered(request: RestoreRequest, manifest: Manifest, topology: Topology) -> tuple[Difference, ...]:
    """Return the differences that neither ``--remap-tiers`` nor ``FORCE_REMAP=1`` lets pass."""
    if request.force_remap:
        return ()
    there = manifest.topology.map(normalised)
    covered = {tier for remap in request.remaps for tier in remap.tiers(there, topology)}
    return tuple(difference for difference in differences(manifest, topology) if difference.tier not in covered)


def is_remapped(request: RestoreRequest, manifest: Manifest, topology: Topology) -> bool:
    """Whether tiers lay elsewhere on the backup's host, and all of them are let go to this host's paths."""
    return bool(differences(manifest, topology)) and not uncovered(request, manifest, topology)


def pairs_for(found: Iterable[Difference]) -> tuple[str, ...]:
    """Return what to give to ``--remap-tiers`` for ``found``; tiers that share both paths need one pair."""
    pairs: dict[tuple[str, str], str] = {}
    for difference in found:
        pairs.setdefault((difference.there, difference.here), difference.pair)
    return tuple(pairs.values())


def misfits(request: RestoreRequest, manifest: Manifest, topology: Topology) -> Iterator[str]:
    """Yield a sentence for each pair that is about no tier, with what it can be."""
    there = manifest.topology.map(normalised)
    for remap in dict.fromkeys(request.remaps):
        yield from _misfit(remap, there, topology)


def _misfit(remap: Remap, there: Topology, here: Topology) -> Iterator[str]:
    old, new = remap.old_path(there), remap.new_path(here)
    lay, lie = _tiers_at(old, there), _tiers_at(new, here)
    if not lay:
        yield f"--remap-tiers {remap}: the backup had no tier at {shown(old)}: let OLD be one of {_paths(there)}"
    if not lie:
        yield f"--remap-tiers {remap}: this host has no tier at {shown(new)}: let NEW be one of {_paths(here)}"
    if lay and lie and not set(lay) & set(lie):
        places = ", ".join(f"{shown(here.path(tier))} ({tier.value})" for tier in lay)
        yield (
            f"--remap-tiers {remap}: the backup had {_names(lay)} at {shown(old)} and this host has {_names(lie)} at "
            f"{shown(new)}: for the same tier let NEW be {places}"
        )


def _tiers_at(path: str, topology: Topology) -> tuple[Tier, ...]:
    return tuple(tier for tier in Tier if topology.path(tier) == path)


def _names(tiers: Iterable[Tier]) -> str:
    return " and ".join(tier.value for tier in tiers)


def _paths(topology: Topology) -> str:
    return ", ".join(f"{shown(topology.path(tier))} ({tier.value})" for tier in Tier)


def _is_clear(pair: str) -> bool:
    try:
        Remap.parse(pair)
    except RemapUnclear:
        return False
    return shown(pair) == pair
