"""The scripts as processes."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from attrs import define, frozen

from tests.cli.fake_host.engine import Gate


@frozen
class Finished:
    """How a script ended; ``code`` is below 0 where a signal killed it."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> list[str]:
        """The lines on stdout, less their stamps."""
        return [line[22:] if line.startswith("[") else line for line in self.out.splitlines()]


@define
class Running:
    """A script under way; what it writes goes to files, so that it never waits for us."""

    process: subprocess.Popen[bytes]
    out: Path
    err: Path

    def reach(self, gate: Gate) -> None:
        """Wait until the script has come to ``gate``; one that ends before fails the test."""
        while not gate.reached.wait(0.02):
            code = self.process.poll()
            assert code is None, f"ended with {code} before the gate: {self.out.read_text()} {self.err.read_text()}"

    def send(self, number: int) -> None:
        """Send the signal ``number`` to the script, and to nobody else."""
        os.kill(self.process.pid, number)

    def finish(self) -> Finished:
        """Wait for the end."""
        code = self.process.wait()
        out, err = (path.read_text(errors="surrogateescape") for path in (self.out, self.err))
        return Finished(code, out, err)
