"""The program behind the names `docker` and `tar`: asks the fake engine, and does what that answers.

It runs by itself, in a bare Python, and must start fast. One line of JSON goes to the socket beside its own
folder (its environment may be empty); lines of JSON come back until one says how to end.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from typing import Any


def main() -> int:
    program = os.path.basename(sys.argv[0])
    reads = program == "docker" and "--interactive" in sys.argv
    stdin = sys.stdin.buffer.read().decode("latin-1") if reads else ""
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "programs.sock"))
        known = {"cwd": os.getcwd(), "environ": dict(os.environ)}
        question = {"program": program, "argv": sys.argv[1:], "stdin": stdin, **known}
        line.sendall(json.dumps(question).encode() + b"\n")
        for answer in line.makefile("rb"):
            ended = obey(json.loads(answer))
            if ended is not None:
                return ended
    return 1


def obey(answer: dict[str, Any]) -> int | None:
    """Write what is to be written; return the exit code if this was the last word."""
    for stream, text in ((sys.stdout, answer.get("stdout")), (sys.stderr, answer.get("stderr"))):
        if text:
            stream.buffer.write(text.encode("latin-1"))
            stream.buffer.flush()
    if become := answer.get("become"):
        os.execv(become, [become, *sys.argv[1:]])
    code = answer.get("exit")
    if code is not None and code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code


if __name__ == "__main__":
    sys.exit(main())
