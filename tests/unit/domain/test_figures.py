"""Sizes, times and rates as people read them."""

from __future__ import annotations

import pytest

from hermes_backup_core.domain.figures import duration, rate, size


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (5 << 20, "5.0 MiB"),
        (int(41.2 * (1 << 30)), "41.2 GiB"),
        (3 << 40, "3.0 TiB"),
        (7 << 50, "7.0 PiB"),
        (3 << 60, "3072.0 PiB"),
    ],
)
def test_a_size_has_a_unit_that_fits(count: float, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0s"),
        (3.44, "3.4s"),
        (59.94, "59.9s"),
        (59.96, "1m00s"),
        (123, "2m03s"),
        (3599.6, "1h00m00s"),
        (3723, "1h02m03s"),
        (360_000, "100h00m00s"),
    ],
)
def test_a_time_never_shows_sixty(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "seconds", "text"), [(1024, 2, "512 B/s"), (1024, 0, "1000.0 KiB/s"), (0, 0, "0 B/s")]
)
def test_a_rate_is_bytes_a_second_also_where_no_time_went_by(count: int, seconds: float, text: str) -> None:
    assert rate(count, seconds) == text
