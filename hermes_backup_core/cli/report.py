"""The last words of a run: what was made, how long it took, how long anything was down."""

from __future__ import annotations

from collections.abc import Iterator

from hermes_backup_core.backup.result import BackupResult
from hermes_backup_core.domain.figures import duration, rate, size
from hermes_backup_core.domain.paths import shown


def report_lines(result: BackupResult) -> Iterator[str]:
    """Yield the report of a finished backup, the members as a table."""
    yield f"{'member':<18} {'size':>11} {'content':>11} {'time':>9} {'rate':>13}"
    for member in result.members:
        yield (
            f"{member.name:<18} {size(member.size_bytes):>11} {size(member.content_bytes):>11} "
            f"{duration(member.seconds):>9} {rate(member.content_bytes, member.seconds):>13}"
        )
    yield f"backup:   {shown(result.path)} ({size(result.size_bytes)})"
    yield f"duration: {duration(result.seconds)}"
    yield f"downtime: {_downtime(result)}"


def _downtime(result: BackupResult) -> str:
    parts = [
        f"stack {duration(result.stack_down)}" if result.stack_down else "none, mail kept flowing",
        f"Nextcloud in maintenance {duration(result.in_maintenance)}" if result.in_maintenance else "",
    ]
    return "; ".join(filter(None, parts))
