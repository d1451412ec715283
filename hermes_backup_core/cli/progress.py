"""Long steps, as they go: a live line on a terminal, a line every minute elsewhere and in the log."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from attrs import define, field

from hermes_backup_core.cli.log import Log
from hermes_backup_core.domain.figures import duration, rate, size


@define
class _Step:
    """How far a step is: ``done`` of about ``total`` bytes, begun at ``began`` on the monotonic clock."""

    task: str
    total: int | None
    done: int = 0
    began: float = field(factory=time.monotonic)

    def __str__(self) -> str:
        seconds = time.monotonic() - self.began
        if not self.done:
            return f"{self.task}: under way for {duration(seconds)}"
        if not self.total or self.done > self.total:
            return f"{self.task}: {size(self.done)} in {duration(seconds)}, {rate(self.done, seconds)}"
        # On a terminal of 80 columns all of it is to be seen.
        share = 100 * self.done // self.total
        left = duration((self.total - self.done) * seconds / self.done)
        so_far = f"{self.task}: {size(self.done)} of {size(self.total)} ({share} %)"
        return f"{so_far}, {rate(self.done, seconds)}, {left} left"


class ProgressLog:
    """A `Reporter` over a `Log`: facts go straight through, and long steps are shown while they last.

    ``every`` is the time between two lines about a step, in seconds.
    """

    def __init__(self, log: Log, every: float = 60.0) -> None:
        self._log = log
        self._every = every
        self.section = log.section
        self.info = log.info
        self.warn = log.warn

    @contextmanager
    def progress(self, task: str, total: int | None) -> Iterator[Callable[[int], None]]:
        """Show the step ``task`` of ``total`` bytes while the context lasts."""
        step = _Step(task, total)

        def advance(done: int) -> None:
            step.done = done

        with self._told(step), self._shown(step):
            yield advance

    @contextmanager
    def _told(self, step: _Step) -> Iterator[None]:
        say = self._log.only_file if self._log.terminal else self._log.info
        with _repeated(lambda: say(str(step)), self._every):
            yield

    @contextmanager
    def _shown(self, step: _Step) -> Iterator[None]:
        if self._log.terminal is None:
            yield
            return
        from rich.live import Live
        from rich.text import Text

        with (
            Live(Text(str(step)), console=self._log.terminal, transient=True, auto_refresh=False) as live,
            _repeated(lambda: live.update(Text(str(step), overflow="ellipsis", no_wrap=True), refresh=True), 0.25),
        ):
            yield


@contextmanager
def _repeated(action: Callable[[], None], seconds: float) -> Iterator[None]:
    """Do ``action`` every so many ``seconds`` during the body, in a thread that ends with it."""
    ended = threading.Event()

    def repeat() -> None:
        while not ended.wait(seconds):
            action()

    thread = threading.Thread(target=repeat, daemon=True, name="progress")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
