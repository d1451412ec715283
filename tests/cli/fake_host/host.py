"""One host: its folders, its engine, and the scripts on it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import define, field

import hermes_backup_core
from tests.cli.fake_host.engine import FakeContainer, FakeEngine
from tests.cli.fake_host.installation import install
from tests.cli.fake_host.script import Finished, Running
from tests.cli.fake_host.sockets import serving

CHECKOUT = Path(hermes_backup_core.__file__).parent.parent
SCRIPT = CHECKOUT / "scripts" / "system_backup.py"
OLD_SCRIPT = CHECKOUT / "scripts" / "system_backup.sh"
RESTORE = CHECKOUT / "scripts" / "system_restore.py"
CLIENT = Path(__file__).parent / "client.py"

# Not root, but able to read what root can, where the Python of this test may lie.
AS_NOBODY = (
    *("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"),
    *("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"),
)


@define
class FakeHost:
    """A host below ``base``, which is short, since a socket's path must be, and readable by everyone."""

    base: Path
    engine: FakeEngine = field(factory=FakeEngine)
    _count: int = field(default=0, init=False)

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[FakeHost]:
        """Give a host whose stack runs; afterwards nothing of it is left."""
        base = Path(tempfile.mkdtemp(prefix="hermes-cli-"))
        try:
            base.chmod(0o755)
            host = cls(base)
            host._set_up()
            with serving(host.engine, base / "docker.sock", base / "programs.sock"):
                yield host
                host.engine.mend()
        finally:
            shutil.rmtree(base)

    def _set_up(self) -> None:
        self.engine.volumes = install(self.root, self.tiers)
        self.engine.endpoint = self.docker_host
        self.engine.add(
            FakeContainer("hermes_db_server", health="healthy", stop_seconds=60),
            FakeContainer("hermes_ldap", health="healthy"),
            FakeContainer("hermes_postfix_dkim", depends_on="hermes_db_server:service_healthy:false"),
            FakeContainer("hermes_nextcloud", depends_on="hermes_db_server:service_healthy:false", stop_seconds=10),
            FakeContainer("hermes_commandbox", stop_seconds=10),
            FakeContainer("hermes_spare", state="exited"),
            FakeContainer("hermes_run_1", one_off=True),
            FakeContainer("other_web", project="other"),
        )
        for folder in (self.output, self.temp, self.base / "bin"):
            folder.mkdir()
        self.temp.chmod(0o1777)
        for program in ("docker", "tar"):
            (self.base / "bin" / program).write_text(f"#!{sys.executable} -IS\n{CLIENT.read_text()}")
            (self.base / "bin" / program).chmod(0o755)

    @property
    def root(self) -> Path:
        """The install root."""
        return self.base / "opt" / "hermes"

    @property
    def tiers(self) -> dict[str, Path]:
        """The tiers' paths, less config's."""
        return {tier: self.base / "mnt" / tier for tier in ("data", "archive", "vmail", "nextcloud")}

    @property
    def output(self) -> Path:
        """The folder for backups."""
        return self.base / "backups"

    @property
    def temp(self) -> Path:
        """The temporary folder."""
        return self.base / "tmp"

    @property
    def docker_host(self) -> str:
        """The engine's address."""
        return f"unix://{self.base}/docker.sock"

    @property
    def environ(self) -> dict[str, str]:
        """What the scripts find in their environment."""
        path = f"{self.base}/bin:{Path(sys.executable).parent}:/usr/sbin:/usr/bin:/sbin:/bin"
        return {
            "PATH": path,
            "LANG": "C.UTF-8",
            "HOME": str(self.base),
            "TMPDIR": str(self.temp),
            "DOCKER_HOST": self.docker_host,
            "HERMES_ROOT": str(self.root),
            "HERMES_BACKUP_STATE": str(self.base / "state"),
        }

    def command(self, scope: str = "vmail", *options: str) -> tuple[str, ...]:
        """The arguments of an unattended backup of ``scope``."""
        return ("-P", str(self.output), "-B", scope, "--yes", *options)

    def start(
        self,
        *arguments: str | bytes,
        script: Path = SCRIPT,
        through: Sequence[str] = (),
        environ: Mapping[str, str | None] = {},
        measured: bool = True,
        **options: Any,
    ) -> Running:
        """Start a script with ``arguments``; ``through`` is what starts it, ``environ`` changes (None: unset).

        ``measured`` is whether its coverage counts: not where signals come one upon the other, since coverage
        holds a lock while a handler is traced, and waits for it in the next one for ever.
        """
        self._count += 1
        out, err = self.base / f"out.{self._count}", self.base / f"err.{self._count}"
        # Whoever is not root cannot write what was measured.
        kept = "COVERAGE_" if measured and through != AS_NOBODY else "nothing"
        ours = {key: value for key, value in os.environ.items() if key.startswith(kept)}
        changed = {**ours, **self.environ, **environ}
        interpreter = () if script.suffix == ".sh" else (sys.executable,)
        with out.open("wb") as stdout, err.open("wb") as stderr:
            streams = {"stdin": subprocess.DEVNULL, "stdout": stdout, "stderr": stderr}
            process = subprocess.Popen(
                [*through, *interpreter, str(script), *arguments],
                env={key: value for key, value in changed.items() if value is not None},
                cwd=options.pop("cwd", self.base),
                **{**streams, **options},
            )
        return Running(process, out, err)

    def run(self, *arguments: str | bytes, **options: Any) -> Finished:
        """Run a script to its end; see `start`."""
        return self.start(*arguments, **options).finish()

    def made(self, ending: str) -> list[Path]:
        """The files in the folder for backups whose names end with ``ending``."""
        return sorted(path for path in self.output.iterdir() if path.name.endswith(ending))

    def everything(self) -> set[str]:
        """Every path on the host but what the tests themselves keep there."""
        own = re.compile(r"(out|err)\.\d+")
        found = (str(path.relative_to(self.base)) for path in self.base.rglob("*"))
        return {path for path in found if not own.fullmatch(path)}

    def processes(self) -> list[str]:
        """What still runs of whatever was started on this host."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                words, environ = (folder / "cmdline").read_bytes(), (folder / "environ").read_bytes()
            except OSError:
                continue
            if os.fsencode(self.base) in words + environ and words:
                found.append(words.replace(b"\0", b" ").decode(errors="replace"))
        return found
