"""A script at a terminal: a pseudo terminal with a person in front of it."""

from __future__ import annotations

import contextlib
import os
import pty
import re
from collections.abc import Iterator
from typing import Any

from attrs import define

from tests.cli.fake_host.host import FakeHost
from tests.cli.fake_host.script import Running

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@define
class Terminal:
    """A terminal, with what is written on it so far, and the script ``running`` at it."""

    master: int
    running: Running
    screen: str = ""

    def type(self, keys: str) -> None:
        """Press ``keys``."""
        os.write(self.master, keys.encode())

    def wait_for(self, text: str) -> None:
        """Read until ``text`` is on the screen; the end of the script before that fails the test."""
        while text not in self.screen:
            assert self._read(), f"ended without {text!r}:\n{self.screen}"

    def end(self) -> int:
        """Read what the script writes until it ends; return its exit code."""
        while self._read():
            pass
        return self.running.process.wait()

    @property
    def text(self) -> str:
        """What was written, less colours and movements."""
        return _CONTROL.sub("", self.screen).replace("\r\n", "\n")

    def _read(self) -> bool:
        try:
            data = os.read(self.master, 1 << 16)
        except OSError:  # Linux says EIO when nobody has the other end open any more
            return False
        self.screen += data.decode(errors="replace")
        return bool(data)


@contextlib.contextmanager
def at_terminal(host: FakeHost, *arguments: str, **options: Any) -> Iterator[Terminal]:
    """Run the script at a terminal of its own."""
    master, slave = pty.openpty()
    streams = {"stdin": slave, "stdout": slave, "stderr": slave, **options}
    running = host.start(
        *arguments,
        environ={"TERM": "xterm", "COLUMNS": "200"},
        through=("setsid", "--ctty"),
        **streams,
    )
    os.close(slave)
    try:
        yield Terminal(master, running)
    finally:
        host.engine.mend()
        os.close(master)  # which hangs up on a script that is still there
        running.process.wait()
