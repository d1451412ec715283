"""What a program is told to write, and how it ends."""

from __future__ import annotations

import json

from attrs import frozen


@frozen
class Reply:
    """Output and exit code (below 0: the signal that ends it), or the program that it is to ``become``."""

    stdout: bytes = b""
    stderr: bytes = b""
    exit_code: int = 0
    become: str | None = None

    @classmethod
    def of_json(cls, content: object) -> Reply:
        """The answer that writes ``content``."""
        return cls(json.dumps(content).encode())

    def line(self) -> bytes:
        """The reply as the client reads it."""
        content = {
            "stdout": self.stdout.decode("latin-1"),
            "stderr": self.stderr.decode("latin-1"),
            "become": self.become,
            "exit": None if self.become else self.exit_code,
        }
        return json.dumps(content).encode() + b"\n"
