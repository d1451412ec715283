"""What a run says: on the screen, in its log file, and kept for the mail."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, TextIO

from hermes_backup_core.domain.notice import LOG_LINES
from hermes_backup_core.domain.paths import shown

if TYPE_CHECKING:
    from rich.console import Console

_PLAIN, _WARNING, _ERROR = "", "WARN: ", "ERROR: "
_STYLES = {_PLAIN: "", _WARNING: "yellow", _ERROR: "red"}


class Log:
    """Lines of one run: ``[YYYY-MM-DD HH:MM:SS] text`` in local time.

    What was said before the log file was opened goes into it, too. A screen or a disk that takes no more
    never ends a run.
    """

    def __init__(self, stdout: TextIO, stderr: TextIO, now: Callable[[], datetime]) -> None:
        for stream in (stdout, stderr):
            # A file's name may hold any bytes, and cron's locale is plain ASCII.
            if reconfigure := getattr(stream, "reconfigure", None):
                reconfigure(errors="backslashreplace")
        self._stdout = stdout
        self._stderr = stderr
        self._now = now
        self._early: list[str] = []
        self._file: TextIO | None = None
        self._lock = threading.Lock()
        self.path = ""
        self.tail: deque[str] = deque(maxlen=LOG_LINES)
        self.warnings: list[str] = []
        self.terminal = _terminal(stdout)

    def section(self, title: str) -> None:
        """Begin a part of the run."""
        self._show(f"== {title} ==", _PLAIN)
        self._keep(f"== {title} ==")

    def info(self, text: str) -> None:
        """Say that something happened as planned."""
        self._stamped(text, _PLAIN)

    def warn(self, text: str) -> None:
        """Say that something is not as it should be."""
        self.warnings.append(text)
        self._stamped(text, _WARNING)

    def error(self, text: str) -> None:
        """Say why the run ends."""
        self._stamped(text, _ERROR)
        if self.terminal and self._stderr.isatty():
            return  # one terminal: once is enough
        for line in text.splitlines():
            _print(self._stderr, f"{_ERROR}{line}")

    def only_file(self, text: str) -> None:
        """Say something that the screen shows in another way."""
        for line in text.splitlines():
            self._keep(self._stamp(line, _PLAIN))

    def open_file(self, folder: str, name: str, *, append: bool = False) -> None:
        """Write the log to the file ``name`` in ``folder``, or in the temporary folder where that cannot be.

        With ``append`` it may be there already, and what it holds stays.
        """
        path = os.path.join(folder, name)
        try:
            descriptor = _create_or_extend(path) if append else _create(path)
        except OSError as err:
            descriptor, path = tempfile.mkstemp(prefix=name.removesuffix("log"), suffix=".log")
            self.warn(f"no log can be written to {shown(folder)} ({err.strerror}); it is {path}")
        self.path = path
        with self._lock, contextlib.suppress(OSError):
            self._file = os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace", buffering=1)
            self._file.writelines(f"{line}\n" for line in self._early)

    def rename_file(self, name: str) -> None:
        """Give the log file its final ``name``, in the folder where it lies."""
        path = os.path.join(os.path.dirname(self.path), name)
        if self.path and path != self.path and not os.path.lexists(path):
            os.rename(self.path, path)
            self.path = path

    def end(self) -> None:
        """Close the file, and let go of the screen: what it did not take must not become Python's exit code 120."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None
        for stream in (self._stdout, self._stderr):
            try:
                stream.flush()
            except (OSError, ValueError):
                with open(os.devnull, "wb") as nowhere, contextlib.suppress(OSError, ValueError):
                    os.dup2(nowhere.fileno(), stream.fileno())

    def _stamped(self, text: str, kind: str) -> None:
        for line in text.splitlines() or [""]:
            stamped = self._stamp(line, kind)
            self._show(stamped, kind)
            self._keep(stamped)

    def _stamp(self, line: str, kind: str) -> str:
        return f"[{self._now().astimezone():%Y-%m-%d %H:%M:%S}] {kind}{line}"

    def _show(self, line: str, kind: str) -> None:
        if self.terminal is None:
            _print(self._stdout, line)
        else:
            with contextlib.suppress(OSError):
                self.terminal.print(line, style=_STYLES[kind], markup=False, highlight=False, soft_wrap=True)

    def _keep(self, line: str) -> None:
        with self._lock, contextlib.suppress(OSError):
            self.tail.append(line)
            if self._file is None:
                self._early.append(line)
            else:
                self._file.write(line + "\n")


def open_closed_streams() -> None:
    """Give this process the standard streams that its caller has closed, with nothing behind them."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - open as long as we live


def _terminal(stream: TextIO) -> Console | None:
    """Return what draws on ``stream``, where that is a terminal."""
    if not stream.isatty():
        return None
    from rich.console import Console  # a run of cron's does without it

    return Console(file=stream, emoji=False)


def _print(stream: TextIO, line: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        stream.write(f"{line}\n")
        stream.flush()


def _create(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def _create_or_extend(path: str) -> int:
    """Open ``path`` for more; raises `OSError` where it is anything but a file of our own."""
    try:
        return _create(path)
    except FileExistsError as err:
        taken = err
    # Not blocking, since somebody may have put a pipe there.
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_nlink > 1:
        os.close(descriptor)
        raise taken
    os.fchmod(descriptor, 0o600)
    return descriptor
