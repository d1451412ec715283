"""The one door to other programs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

HOST_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class MiniatureError(RuntimeError):
    """Something that the miniature needs did not work; the message says what, and what was answered."""


def run(
    argv: Sequence[str | Path | bytes],
    *,
    data: bytes | None = None,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    fine: Sequence[int] = (0,),
) -> bytes:
    """Run a program to its end and return its stdout; any exit code that is not `fine` is an error."""
    done = finished(argv, data=data, environ=environ, cwd=cwd)
    if done.returncode not in fine:
        said = (done.stderr + done.stdout).decode(errors="replace").strip()[-3000:]
        raise MiniatureError(f"exit code {done.returncode} from {printable(argv)}: {said}")
    return done.stdout


def finished(
    argv: Sequence[str | Path | bytes],
    *,
    data: bytes | None = None,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run a program to its end and return all it had to say, whatever its exit code."""
    process = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL if data is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environ,
        cwd=cwd,
    )
    with process:
        said, complained = process.communicate(data)
    return subprocess.CompletedProcess(argv, process.returncode, said, complained)


def printable(argv: Sequence[str | Path | bytes]) -> str:
    words = [word.decode(errors="replace") if isinstance(word, bytes) else str(word) for word in argv]
    return " ".join(words)[:300]


def say(text: str) -> None:
    """Tell the person at the terminal what is going on (stderr: stdout belongs to the answers)."""
    print(text, file=sys.stderr, flush=True)
