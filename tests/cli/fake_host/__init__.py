"""A Hermes host without Docker: an engine in memory, programs that ask it, an install root with tiers.

The scripts run as processes against it. `docker` and `tar` first on their PATH are a small program that asks
the test's process what to do, so that a test sees each call, can hold it, or can let it fail.
"""

from tests.cli.fake_host.engine import Call, FakeContainer, FakeEngine, Gate
from tests.cli.fake_host.host import AS_NOBODY, OLD_SCRIPT, RESTORE, FakeHost
from tests.cli.fake_host.script import Finished, Running
from tests.cli.fake_host.terminal import Terminal, at_terminal

__all__ = [
    "AS_NOBODY",
    "OLD_SCRIPT",
    "RESTORE",
    "Call",
    "FakeContainer",
    "FakeEngine",
    "FakeHost",
    "Finished",
    "Gate",
    "Running",
    "Terminal",
    "at_terminal",
]
