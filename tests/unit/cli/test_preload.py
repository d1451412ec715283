"""After the preloading, nothing more is loaded from what a restore may exchange."""

from __future__ import annotations

import subprocess
import sys

from tests.cli.fake_host import FakeHost
from tests.cli.fake_host.host import CHECKOUT

# What a run does with a terminal and with an engine.
RUN = """
import io, os, sys, time
from hermes_backup_core.adapters.clock import SystemClock
from hermes_backup_core.adapters.compose import ComposeStack
from hermes_backup_core.cli import restore
from hermes_backup_core.cli.log import Log
from hermes_backup_core.cli.progress import ProgressLog
from hermes_backup_core.domain.errors import EngineUnreachable

class Screen(io.StringIO):
    def isatty(self):
        return True

restore.load_all()
before = set(sys.modules)
log = Log(Screen(), io.StringIO(), SystemClock().now)
for text in ("text", "[red] :smile: caf\\udce9 tëxt 文"):
    log.section(text)
    log.warn(text)
    log.error(text)
    with ProgressLog(log).progress(text, 10) as advance:
        advance(5)
        time.sleep(0.4)
for host in (os.environ["DOCKER_HOST"], "unix:///nobody/listens"):
    try:
        ComposeStack(os.environ["HERMES_ROOT"], {**os.environ, "DOCKER_HOST": host}, SystemClock()).containers()
    except EngineUnreachable:
        pass
print(*(getattr(sys.modules[name], "__file__", None) or "" for name in set(sys.modules) - before), sep="\\n")
"""


def test_nothing_is_loaded_late() -> None:
    with FakeHost.running() as host:
        environ = {**host.environ, "PYTHONPATH": str(CHECKOUT), "TERM": "xterm"}
        done = subprocess.run([sys.executable, "-c", RUN], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    late = [path for path in done.stdout.split() if "site-packages" in path or path.startswith(str(CHECKOUT))]
    assert late == []
