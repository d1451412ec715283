"""A Hermes host without Docker: an engine in memory, programs that ask it, an install root with tiers.

The scripts run as processes against it. `docker` and `tar` first on their PATH are a small program that asks
the test's process what to do, so that a test sees each call, can hold it, or can let it fail.
"""

from tests.cli.fake_host.engine import Call, FakeContainer, FakeEngine, Gate
from tests.cli.fake_host.host import FakeHost
from tests.cli.fake_host.script import Finished, Running

__all__ = ["Call", "FakeContainer", "FakeEngine", "FakeHost", "Finished", "Gate", "Running"]
