"""The admin console: whether it answers."""

from __future__ import annotations

from attrs import define

from hermes_backup_core.domain.errors import CommandFailed
from hermes_backup_core.domain.host import CONSOLE_CONTAINER
from hermes_backup_core.ports import Clock, Stack

_ASK = ("curl", "-sf", "--max-time", "2", "-o", "/dev/null", "http://localhost:8888/")
_PATIENCE = 60.0


@define
class Console:
    """The console in ``hermes_commandbox``."""

    stack: Stack
    clock: Clock

    def answers(self) -> bool:
        """Whether it answers within a minute."""
        deadline = self.clock.monotonic() + _PATIENCE
        while True:
            try:
                self.stack.run(CONSOLE_CONTAINER, _ASK)
                return True
            except CommandFailed:
                if self.clock.monotonic() >= deadline:
                    return False
                self.clock.sleep(1)
