"""Looking for programs in a container before relying on them."""

from __future__ import annotations

from collections.abc import Sequence

from hermes_backup_core.ports import Stack

_SCRIPT = 'for p in "$@"; do command -v "$p" >/dev/null || echo "$p"; done'


def missing_programs(stack: Stack, container: str, programs: Sequence[str]) -> tuple[str, ...]:
    """Return those of ``programs`` that ``container`` cannot find on its PATH."""
    return tuple(stack.run(container, ("sh", "-c", _SCRIPT, "sh", *programs)).decode().split())
