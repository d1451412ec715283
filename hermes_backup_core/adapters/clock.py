"""The machine's clock."""

from __future__ import annotations

import time
from datetime import datetime, timezone


class SystemClock:
    """Time as the kernel tells it."""

    def now(self) -> datetime:
        """Return the moment, in UTC."""
        return datetime.now(timezone.utc)

    def monotonic(self) -> float:
        """Return seconds since some fixed moment."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)
