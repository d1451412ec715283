"""From a proven backup and the host's facts to the plan of a restore."""

from __future__ import annotations

from hermes_backup_core.domain.contents import Contents, TierContents
from hermes_backup_core.domain.differences import differences, is_remapped
from hermes_backup_core.domain.gates import checklist
from hermes_backup_core.domain.manifest import Manifest
from hermes_backup_core.domain.paths import join, normalised
from hermes_backup_core.domain.restore_facts import Place, RestoreFacts
from hermes_backup_core.domain.restore_plan import RestorePlan, RestoreRequest
from hermes_backup_core.domain.restore_room import stages_apart
from hermes_backup_core.domain.restore_steps import DirectoryPlan, TierPlan
from hermes_backup_core.domain.scope import DATABASES, MOUNT_KEYS, Tier
from hermes_backup_core.domain.swap import HIDDEN, Stage, stages_for
from hermes_backup_core.domain.touched import Footing, Reach, touched

# The stack, and whoever looks at it, goes by these two; they are never missing in between.
_AT_ONCE = (".env", "docker-compose.yml")


def plan_restore(request: RestoreRequest, contents: Contents, facts: RestoreFacts) -> RestorePlan:
    """Return how to restore ``contents`` onto the host of ``facts``, in steps that all of `run_gates` allow."""
    manifest = contents.manifest
    reasons = {} if request.stop_all else _touched(contents, facts)
    return RestorePlan(
        request=request,
        root=facts.root,
        scope=manifest.scope,
        build_no=manifest.build_no,
        hostname=manifest.hostname,
        timestamp=manifest.timestamp,
        tiers=tuple(_tier_plan(tier, request, contents, facts) for tier in manifest.scope.tiers),
        tables={name: len(contents.dumps[name].tables) for name in DATABASES if name in contents.dumps},
        directory=_directory_plan(contents, facts),
        running=tuple(container.name for container in facts.containers if container.runs),
        has_accounts=bool(manifest.accounts),
        keep_mounts=is_remapped(request, manifest, facts.topology) and _mounts_differ(manifest, facts),
        maintenance=facts.maintenance is True,
        checklist=checklist(contents, facts),
        untouched=() if request.stop_all else _others(reasons, facts),
        reasons=reasons,
    )


def _touched(contents: Contents, facts: RestoreFacts) -> dict[str, str]:
    """Return the containers that must not run while old and new are exchanged, each with the reason."""
    reach = Reach(
        tiers={tier: facts.places[tier].found.selections for tier in contents.manifest.scope.tiers},
        databases=contents.manifest.scope.has_dumps,
        exchanged=True,
        future=facts.future,
        unforeseen=facts.unforeseen,
    )
    return touched(Footing(facts.project, facts.containers, facts.mounts), reach)


def _others(reasons: dict[str, str], facts: RestoreFacts) -> tuple[str, ...]:
    return tuple(container.name for container in facts.containers if container.name not in reasons)


def _tier_plan(tier: Tier, request: RestoreRequest, contents: Contents, facts: RestoreFacts) -> TierPlan:
    place, held = facts.places[tier], contents.tiers.get(tier, TierContents(0, 0))
    selection = place.found.selection
    apart = stages_apart(request, facts, tier)
    return TierPlan(
        tier=tier,
        path=place.found.path,
        selection=selection,
        source=contents.manifest.topology.map(normalised).select(tier),
        stages=_stages(tier, request, place, apart=apart),
        excluded=held.excluded,
        pinned=place.pinned,
        stays=place.stays,
        at_once=frozenset(join(selection.root, name) for name in _AT_ONCE if tier is Tier.CONFIG),
        entries=held.entries,
        content_bytes=held.content_bytes,
        synced=apart,
    )


def _stages(tier: Tier, request: RestoreRequest, place: Place, *, apart: bool) -> tuple[Stage, ...]:
    if request.stage_dir is not None and apart:
        return (Stage(request.stage_dir, f"{HIDDEN}{tier.value}"),)
    return stages_for(place.found.selection.root, tier.value, place.mount_points)


def _directory_plan(contents: Contents, facts: RestoreFacts) -> DirectoryPlan | None:
    if contents.ldap_entries is None or facts.directory is None:
        return None
    found = facts.directory
    return DirectoryPlan(
        folder=found.folder,
        inside=found.inside,
        config=found.config,
        config_inside=found.config_inside,
        stage=Stage(found.folder, f"{HIDDEN}ldap"),
        entries=contents.ldap_entries,
    )


def _mounts_differ(manifest: Manifest, facts: RestoreFacts) -> bool:
    return any(difference.tier in MOUNT_KEYS for difference in differences(manifest, facts.topology))
