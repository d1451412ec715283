"""What a finished restore tells: what was restored, the figures that matter, and what is left to be done."""

from __future__ import annotations

from attrs import frozen

from hermes_backup_core.domain.restore_plan import RestorePlan
from hermes_backup_core.domain.scope import Tier


@frozen
class RestoreResult:
    """A finished restore. ``tiers`` are entries and bytes of content, by tier; times are seconds.

    ``tables`` counts those of all databases; ``ldap_entries`` is None where the scope has no directory.
    ``remarks`` are things to look at, ``checklist`` what is to be done by hand on this host: a heading, then each
    deed. ``problems`` tell what is not well although the data is all restored.
    """

    plan: RestorePlan
    tiers: tuple[tuple[Tier, int, int], ...]
    tables: int
    ldap_entries: int | None
    seconds: float
    stack_down: float
    remarks: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
