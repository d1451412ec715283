"""Restores that never were: their plans, records and results."""

from __future__ import annotations

from typing import Any

from attrs import evolve

from hermes_backup_core.domain.restore_plan import RestorePlan, RestoreRequest
from hermes_backup_core.domain.restore_record import Direction, RestoreRecord
from hermes_backup_core.domain.restore_steps import DirectoryPlan, RestoreStep, TierPlan
from hermes_backup_core.domain.scope import DATABASES, Scope, Tier
from hermes_backup_core.domain.selection import TierSelection
from hermes_backup_core.domain.swap import Stage
from hermes_backup_core.restore.result import RestoreResult

PATH = "/mnt/backups/hermes-backup-all-v1-20260601T103000Z.tar"
RUNNING = ("hermes_db_server", "hermes_ldap")


def tier_plan(tier: Tier, root: str, *, stays: frozenset[str] = frozenset()) -> TierPlan:
    """The plan of a tier of 1,000 entries at ``root``."""
    selection, stage = TierSelection(root), Stage(root, f".hermes-restore-{tier.value}")
    return TierPlan(tier, root, selection, selection, (stage,), stays=stays, entries=1000, content_bytes=3 << 20)


def plan_of(
    path: str = PATH, *, scope: Scope = Scope.SYSTEM, keep_mounts: bool = False, checklist: tuple[str, ...] = ()
) -> RestorePlan:
    """The plan of a restore of ``path``: every kind of step where the scope is one with dumps."""
    directory = DirectoryPlan(
        "/mnt/data/ldap/data", "/var/lib/ldap", "/opt/hermes/slapd.d", "/etc/ldap/slapd.d", Stage("/mnt/data", "x"), 42
    )
    roots = {Tier.CONFIG: "/opt/hermes", Tier.DATA: "/mnt/data", Tier.VMAIL: "/mnt/vmail"}
    return RestorePlan(
        request=RestoreRequest(path),
        root="/opt/hermes",
        scope=scope,
        build_no="v1",
        hostname="mail.example.com",
        timestamp="20260601T103000Z",
        tiers=tuple(tier_plan(tier, roots[tier], stays=frozenset({f"{roots[tier]}/own"})) for tier in scope.tiers),
        tables=dict.fromkeys(DATABASES, 7) if scope.has_dumps else {},
        directory=directory if scope.has_dumps else None,
        running=RUNNING,
        keep_mounts=keep_mounts,
        checklist=checklist,
    )


def record_at(
    kind: type[RestoreStep], plan: RestorePlan | None = None, direction: Direction = Direction.FORWARD
) -> RestoreRecord:
    """The record of a restore whose first step of that ``kind`` is under way."""
    plan = plan or plan_of()
    number = next(number for number, step in enumerate(plan.steps) if isinstance(step, kind))
    record = RestoreRecord(4711, "system_restore.sh -F x.tar", "2026-06-01 12:30:00", plan)
    return record.at(number, direction)


def restored(plan: RestorePlan | None = None, **changes: Any) -> RestoreResult:
    """The result of a restore that went well."""
    plan = plan or plan_of()
    result = RestoreResult(
        plan=plan,
        tiers=tuple((tier.tier, tier.entries, tier.content_bytes) for tier in plan.tiers),
        tables=sum(plan.tables.values()),
        ldap_entries=plan.directory.entries if plan.directory else None,
        seconds=64.2,
        stack_down=12.0,
    )
    return evolve(result, **changes)
