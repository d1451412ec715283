"""What a command took: time, processors, memory, and disk beyond its result."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from attrs import frozen

_SAMPLE_SECONDS = 0.05


@frozen
class Cost:
    """What one run took. Times in seconds; memory and disk in bytes.

    ``cpu`` is user and system time of the process and of all that it waited for, ``memory`` the highest sum
    of the peaks of processes alive at one time, ``extra_disk`` the highest use of the folders less what
    lay there at the end.
    """

    wall: float
    cpu: float
    memory: int
    extra_disk: int
    result: int


class _Watcher(threading.Thread):
    """Samples a process, those below it, and the folders that they write to."""

    def __init__(self, pid: int, folders: Sequence[Path]) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._folders = folders
        self._ended = threading.Event()
        self.memory = 0
        self.disk = 0

    def run(self) -> None:
        while not self._ended.wait(_SAMPLE_SECONDS):
            self.memory = max(self.memory, sum(map(_peak_memory, _tree(self._pid))))
            self.disk = max(self.disk, used(self._folders))

    def end(self) -> None:
        self._ended.set()
        self.join()


def cost(argv: Sequence[str], folders: Sequence[Path], *, cwd: Path) -> Cost:
    """Run `argv`, which writes to `folders`, and return what it took; it must succeed."""
    began = time.monotonic()
    process = subprocess.Popen(argv, cwd=cwd, stdin=subprocess.DEVNULL)
    watcher = _Watcher(process.pid, folders)
    watcher.start()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    watcher.end()
    if process.returncode != 0:
        raise subprocess.CalledProcessError(process.returncode, argv)
    left = used(folders)
    return Cost(wall, usage.ru_utime + usage.ru_stime, watcher.memory, max(0, watcher.disk - left), left)


def used(folders: Sequence[Path]) -> int:
    """Bytes that the files in `folders` take on the disk."""
    return sum(_blocks(path) for folder in folders for path in folder.glob("**/*"))


def _blocks(path: Path) -> int:
    try:
        return path.lstat().st_blocks * 512
    except FileNotFoundError:
        return 0


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for task in Path("/proc", str(pid), "task").glob("*/children"):
        for child in _text(task).split():
            yield from _tree(int(child))


def _peak_memory(pid: int) -> int:
    for line in _text(Path("/proc", str(pid), "status")).splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) << 10
    return 0


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
