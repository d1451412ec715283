"""The host's GNU tar as a program: whether it is fit, how it is started, and who listens to it."""

from __future__ import annotations

import contextlib
import fcntl
import re
import threading
from collections.abc import Iterator
from typing import IO, Any, Protocol

from hermes_backup_core.adapters.process import Door
from hermes_backup_core.domain.errors import CommandFailed
from hermes_backup_core.domain.paths import shown

PIPE_BYTES = 1 << 20
TAR_ENVIRONMENT = {"LC_ALL": "C", "TAR_OPTIONS": ""}

_OLDEST = (1, 34)
_SET_PIPE_SIZE = 1031  # F_SETPIPE_SZ of fcntl(2)


class Listener(Protocol):
    """What is told what a program says on stderr."""

    def take(self, line: bytes) -> None:
        """Take one line, with its end."""
        ...


def tar_problem(program: str) -> str | None:
    """Return why this tar is not fit for tiers, or None where it is: 1.34 has the options that we rely on."""
    try:
        said = Door(TAR_ENVIRONMENT).run((program, "--version")).decode("utf-8", "replace")
    except CommandFailed as err:
        return f"GNU tar cannot be run ({err.stderr}): install GNU tar 1.34 or newer"
    version = re.match(r"\S+ \(GNU tar\) (\d+)\.(\d+)", said)
    if version and (int(version[1]), int(version[2])) >= _OLDEST:
        return None
    return f"{program} is not GNU tar 1.34 or newer ({shown(said.partition(chr(10))[0])}): install that"


@contextlib.contextmanager
def heard(process: Any, said: Listener) -> Iterator[None]:
    """Listen to what the process says while the context lasts; afterwards it has ended in any case."""
    listener = threading.Thread(target=_listen, args=(process.stderr, said), name="tar's stderr", daemon=True)
    try:
        listener.start()
        yield
    finally:
        # It has nothing to clean up, so the signal that cannot be put off does no harm.
        process.kill()
        listener.join()


def widen(pipe: IO[bytes]) -> None:
    """Let ``pipe`` hold `PIPE_BYTES`, where the kernel grants that."""
    # A kernel may grant less; then there are more and shorter reads.
    with contextlib.suppress(OSError):
        fcntl.fcntl(pipe.fileno(), _SET_PIPE_SIZE, PIPE_BYTES)


def _listen(stderr: IO[bytes], said: Listener) -> None:
    for line in stderr:
        said.take(line)
