"""Sizes, times and rates as people read them."""

from __future__ import annotations

_UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB")


def size(count: float) -> str:
    """Return ``count`` bytes as ``41.2 GiB``."""
    if count < 1024:
        return f"{count:.0f} B"
    for unit in _UNITS[:-1]:
        count /= 1024
        if count < 1024:
            return f"{count:.1f} {unit}"
    return f"{count / 1024:.1f} {_UNITS[-1]}"


def duration(seconds: float) -> str:
    """Return ``seconds`` as ``1h02m03s``, ``2m03s`` or ``3.4s``."""
    if seconds < 59.95:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m{rest:02}s" if hours else f"{minutes}m{rest:02}s"


def rate(count: float, seconds: float) -> str:
    """Return bytes a second as ``335.0 MiB/s``."""
    return f"{size(count / max(seconds, 1e-3))}/s"
