"""The admin console, asked for a minute."""

from __future__ import annotations

import pytest

from hermes_backup_core.services.console import Console
from tests.unit.fakes.host import plain_host
from tests.unit.fakes.stack import MemoryStack
from tests.unit.fakes.watching import MemoryClock


@pytest.mark.parametrize(("boots_for", "answers", "waited"), [(0, True, 0), (45.5, True, 46), (61, False, 60)])
def test_a_console_answers_within_a_minute_or_not(boots_for: float, answers: bool, waited: float) -> None:
    host = plain_host(console_boots_for=boots_for)
    host.boxes["hermes_commandbox"].since = 0
    assert Console(MemoryStack(host), MemoryClock(host)).answers() is answers
    assert host.now == waited


def test_a_console_that_does_not_run_does_not_answer() -> None:
    host = plain_host()
    host.boxes["hermes_commandbox"].state = "exited"
    assert not Console(MemoryStack(host), MemoryClock(host)).answers()
