"""The last words of a restore: what is back, how long it took, what was kept, what is left to be done by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hermes_backup_core.domain.figures import duration, size
from hermes_backup_core.domain.paths import shown
from hermes_backup_core.restore.result import RestoreResult

_KEPT_SHOWN = 10


def restore_report_lines(result: RestoreResult) -> Iterator[str]:
    """Yield the report of a finished restore: what is back as a table, then the figures, then what to do."""
    plan = result.plan
    yield f"{'restored':<12} {'entries':>12} {'content':>12}"
    for tier, entries, content_bytes in result.tiers:
        yield f"{tier.value:<12} {entries:>12,} {size(content_bytes):>12}"
    if plan.tables:
        yield f"{'tables':<12} {result.tables:>12,} in {len(plan.tables)} databases"
    if result.ldap_entries is not None:
        yield f"{'LDAP':<12} {result.ldap_entries:>12,}"
    yield f"backup:   {shown(plan.request.path)} (scope {plan.scope.value}, build {plan.build_no}, of {plan.hostname})"
    yield f"duration: {duration(result.seconds)}"
    yield f"downtime: {f'stack {duration(result.stack_down)}' if result.stack_down else 'none'}"
    if plan.going_on:
        yield f"stopped:  {', '.join(plan.stopping) or 'none'}"
        yield f"went on:  {', '.join(plan.going_on)}"
    yield from (f"kept:     {kept}" for kept in _kept(result))
    yield from (f"look at:  {remark}" for remark in result.remarks)
    yield from checklist_lines(result.plan.checklist)


def checklist_lines(checklist: Sequence[str]) -> Iterator[str]:
    """Yield what is to be done by hand, under its heading, as a numbered list; nothing where there is nothing."""
    yield from checklist[:1]
    yield from (f"  {number}. {deed}" for number, deed in enumerate(checklist[1:], 1))


def _kept(result: RestoreResult) -> Iterator[str]:
    """Yield what a restore of this scope would have replaced, and did not."""
    stays = sorted({path for tier in result.plan.tiers for path in tier.stays})
    if stays:
        more = f" and {len(stays) - _KEPT_SHOWN} more" if len(stays) > _KEPT_SHOWN else ""
        yield f"{', '.join(map(shown, stays[:_KEPT_SHOWN]))}{more}, as they were"
    if result.plan.keep_mounts:
        yield "this host's own storage paths in .env"
