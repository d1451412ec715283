"""How what stops and what goes on reads in a plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence


def counted(number: int) -> str:
    """Return ``1 container`` or ``n containers``."""
    return f"{number} container" if number == 1 else f"{number} containers"


def stop_lines(stopping: Sequence[str], going_on: Sequence[str], reasons: Mapping[str, str]) -> Iterator[str]:
    """Yield what is stopped, each with its reason where there is one, and what goes on."""
    yield f"stops: {', '.join(stopping) or 'none'} ({len(stopping)} of {len(stopping) + len(going_on)} that run now)"
    yield from (f"  {name}: {reasons[name]}" for name in stopping if name in reasons)
    yield f"goes on: {', '.join(going_on) or 'none'}"
