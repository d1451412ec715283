"""Processes of this machine, by their parents: none that a script started may get away unseen."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of prctl(2)


def children(pid: int) -> dict[int, str]:
    """The children of a process by pid, each with its command line (its words parted by blanks)."""
    found: dict[int, str] = {}
    for listing in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            pids = [int(word) for word in listing.read_text().split()]
        except OSError:
            continue
        found.update({child: command_line(child) for child in pids})
    return found


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


@contextmanager
def adopting() -> Iterator[None]:
    """Have the orphans of our children become our own children, so that none gets away unseen."""
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(_SUBREAPER, 1, 0, 0, 0) == 0
    try:
        yield
    finally:
        libc.prctl(_SUBREAPER, 0, 0, 0, 0)


def is_zombie(pid: int) -> bool:
    return state_of(pid) == "Z"


def state_of(pid: int) -> str:
    """The letter that proc(5) has for what a process is doing; empty where there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def wait_for(condition: Callable[[], object], complaint: Callable[[], str]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, complaint()
        time.sleep(0.05)
