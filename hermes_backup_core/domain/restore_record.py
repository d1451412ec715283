"""The journal of a restore: what it set out to do and which step it has begun; kept on disk while it lasts."""

from __future__ import annotations

import json
from enum import Enum
from typing import Any

import cattrs
from attrs import evolve, field, frozen

from hermes_backup_core.domain.errors import HermesBackupError
from hermes_backup_core.domain.restore_plan import RestorePlan
from hermes_backup_core.domain.restore_steps import DropKept, Phase, RestoreStep
from hermes_backup_core.domain.swap import Swap


@frozen
class RestoreRecordError(HermesBackupError):
    """The journal of an earlier restore cannot be read."""

    reason: str

    def __str__(self) -> str:
        return (
            f"the journal of an earlier restore cannot be read ({self.reason}): go on with the version of this tool "
            "that wrote it"
        )


class Direction(Enum):
    """Where a restore is going."""

    FORWARD = "forward"
    BACK = "back"


@frozen
class RestoreRecord:
    """One restore under way.

    ``begun`` is the number of the step that is under way, from 0 on; all before it are done, or with
    ``direction`` BACK all after it are taken back. ``swaps`` are the renames of the tiers and of the
    directory, by the tier's name or ``ldap``, each recorded before its first rename. ``present`` are the
    databases that were on the server before. ``since`` is local time, for people.
    """

    pid: int
    command: str
    since: str
    plan: RestorePlan
    begun: int = 0
    direction: Direction = Direction.FORWARD
    swaps: dict[str, Swap] = field(factory=dict)
    present: tuple[str, ...] = ()

    @property
    def step(self) -> RestoreStep:
        """The step under way."""
        return self.plan.steps[self.begun]

    @property
    def is_staged(self) -> bool:
        """Whether everything is staged, so that the restore can be finished."""
        return self.step.phase is not Phase.STAGE

    @property
    def can_go_back(self) -> bool:
        """Whether the old state is still all there."""
        return not isinstance(self.step, DropKept)

    def at(self, number: int, direction: Direction | None = None) -> RestoreRecord:
        """Return this record with step ``number`` begun."""
        return evolve(self, begun=number, direction=direction or self.direction)

    def with_swap(self, name: str, swap: Swap) -> RestoreRecord:
        """Return this record with the renames of ``name``."""
        return evolve(self, swaps={**self.swaps, name: swap})

    def render(self) -> bytes:
        """Return the record as JSON."""
        return json.dumps(_CONVERTER.unstructure(self), indent=1).encode()

    @classmethod
    def parse(cls, data: bytes) -> RestoreRecord:
        """Return the record that ``data`` holds; raises `RestoreRecordError`."""
        try:
            content: Any = json.loads(data)
            record = _CONVERTER.structure(content, cls)
        except (ValueError, TypeError, LookupError, AttributeError, cattrs.BaseValidationError) as err:
            raise RestoreRecordError(str(err)) from err
        if not 0 <= record.begun < len(record.plan.steps):
            raise RestoreRecordError(f"it has no step {record.begun}")
        return record


def _converter() -> cattrs.Converter:
    converter = cattrs.Converter()
    converter.register_unstructure_hook_func(lambda kind: getattr(kind, "__origin__", None) is frozenset, sorted)
    return converter


_CONVERTER = _converter()
