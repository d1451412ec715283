"""The machine's clock."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone

from hermes_backup_core.adapters.clock import SystemClock


def test_it_tells_the_moment_with_its_zone() -> None:
    before = datetime.now(timezone.utc)
    assert before <= SystemClock().now() <= before + timedelta(hours=1)
    assert SystemClock().now().utcoffset() == timedelta(0)


def test_sleeping_takes_the_time_that_it_says() -> None:
    clock = SystemClock()
    before, real = clock.monotonic(), time.monotonic()
    clock.sleep(0.02)
    assert clock.monotonic() - before >= 0.02
    assert time.monotonic() - real >= 0.02
