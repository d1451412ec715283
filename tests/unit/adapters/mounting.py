"""Real file systems for tests: made of memory, gone afterwards."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def mounted(point: Path, *options: str) -> Iterator[Path]:
    """Mount something at ``point``, which is made, while the context lasts; ``options`` are those of mount(8)."""
    point.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", *options, str(point)], check=True)
    try:
        yield point
    finally:
        subprocess.run(["umount", str(point)], check=True)
