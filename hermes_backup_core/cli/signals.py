"""Signals that end a run, as one exception that unwinds it."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Any

from hermes_backup_core.domain.errors import Ended

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Signals:
    """While this context lasts, the first of SIGINT, SIGTERM and SIGHUP raises `Ended` in the main thread.

    Later ones do nothing: the run is unwinding already. One that was ignored before (`nohup`) stays so.
    """

    def __init__(self) -> None:
        self._deaf = False
        self._before: dict[signal.Signals, Any] = {}

    def ignore(self) -> None:
        """Raise nothing any more: what is being done now must not be cut short."""
        self._deaf = True

    def __enter__(self) -> Signals:
        for number in _ENDING:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._raise)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            # A run that has ended ends the process with it, and another signal must not change how.
            signal.signal(number, signal.SIG_IGN if self._deaf else handler)

    def _raise(self, number: int, _frame: FrameType | None) -> None:
        if not self._deaf:
            self._deaf = True
            raise Ended(signal.Signals(number).name, number)
