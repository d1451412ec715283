"""The last words of a run."""

from __future__ import annotations

import pytest

from hermes_backup_core.backup.result import BackupResult, MemberResult
from hermes_backup_core.cli.report import report_lines
from tests.unit.cli.results import result_of


def test_each_member_has_its_figures() -> None:
    result = result_of(members=(MemberResult("vmail.tar.gz", 1 << 30, 3 << 30, 63.0),), seconds=64.2)
    lines = list(report_lines(result))
    assert lines[1].split() == ["vmail.tar.gz", "1.0", "GiB", "3.0", "GiB", "1m03s", "48.8", "MiB/s"]
    assert "duration: 1m04s" in lines


@pytest.mark.parametrize(
    ("result", "downtime"),
    [
        (result_of(), "none, mail kept flowing"),
        (result_of(stack_down=12.0), "stack 12.0s"),
        (result_of(in_maintenance=3.0), "none, mail kept flowing; Nextcloud in maintenance 3.0s"),
        (result_of(stack_down=61.0, in_maintenance=3.0), "stack 1m01s; Nextcloud in maintenance 3.0s"),
    ],
)
def test_what_was_down_is_told_with_its_time(result: BackupResult, downtime: str) -> None:
    assert list(report_lines(result))[-1] == f"downtime: {downtime}"
