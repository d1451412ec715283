"""The restore script as a process on a miniature, and what must not be left of it."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.stack.miniature import Miniature
from tests.stack.script import SCRIPTS, environment

HIDDEN = ".hermes-restore-"


@dataclass(frozen=True)
class Restored:
    """A call of the restore script that has ended; `log` is the text of its log file, empty where there is none."""

    code: int
    stdout: str
    stderr: str
    log: str

    @property
    def warnings(self) -> list[str]:
        return [line.partition("WARN: ")[2] for line in self.stdout.splitlines() if "WARN: " in line]

    @property
    def plan(self) -> list[str]:
        """The lines of the plan, without their stamps and without figures, which may differ from run to run."""
        _, _, rest = self.stdout.partition("== Plan ==")
        lines = [re.sub(r"^\[[^]]+\] ", "", line) for line in rest.partition("\n== ")[0].splitlines()[1:]]
        return [line for line in lines if not line.startswith("dry run: ")]

    def must_end_well(self) -> Restored:
        assert self.code == 0, self.stdout + self.stderr
        assert self.stderr == ""
        return self


def restore(
    hermes: Miniature,
    tarball: Path,
    *options: str,
    environ: Mapping[str, str] | None = None,
    script: str = "system_restore.py",
    user: str | None = None,
    asks: bool = False,
) -> Restored:
    """Run the script to its end, with `--yes` unless `asks`; as `user`, where one is named."""
    argv = [str(SCRIPTS / script), "-F", str(tarball), *([] if asks else ["--yes"]), *options]
    done = subprocess.run(
        argv,
        env=environment(hermes, environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        user=user,
        extra_groups=() if user else None,
    )
    log = tarball.with_suffix(".restore.log")
    text = log.read_text() if log.exists() else ""
    return Restored(done.returncode, done.stdout.decode(), done.stderr.decode(), text)


def check_nothing_left(hermes: Miniature, state: Path | None = None) -> None:
    """No hidden folder, no schema, no container, no journal of any restore, and a lock that nobody holds."""
    assert hidden_folders(hermes) == []
    assert [name for name in hermes.sql("SHOW DATABASES").split() if name.startswith("hermes_restore_")] == []
    assert containers(hermes) == services(hermes)
    for folder in (state or hermes.base / "state").glob("*"):
        assert [file.name for file in folder.iterdir()] == ["lock"]
        assert (folder / "lock").read_bytes() == b""


def hidden_folders(hermes: Miniature) -> list[bytes]:
    tops = (bytes(hermes.root), bytes(hermes.base / "mnt"))
    names = (os.path.join(at, name) for top in tops for at, folders, files in os.walk(top) for name in folders + files)
    return [path for path in names if os.path.basename(path).startswith(HIDDEN.encode())]


def containers(hermes: Miniature) -> set[str]:
    """Every container in the engine, one-off ones and stopped ones too."""
    return set(hermes.engine.docker("ps", "--all", "--format", "{{.Names}}").decode().split())


def containers_as_they_run(hermes: Miniature) -> list[str]:
    """Each container with since when it is what it is: one that was restarted is another."""
    names = hermes.engine.docker("ps", "--all", "--quiet").decode().split()
    template = "{{.Name}} {{.Id}} {{.State.Status}} {{.State.StartedAt}} {{.State.FinishedAt}}"
    return sorted(hermes.engine.docker("inspect", "--format", template, *names).decode().splitlines())


def services(hermes: Miniature) -> set[str]:
    return set(hermes.compose("config", "--services").decode().split())


def volumes(hermes: Miniature) -> list[str]:
    """Each volume with when it was made: one that was made anew is another."""
    names = hermes.engine.docker("volume", "ls", "-q").decode().split()
    template = "{{.Name}} {{.CreatedAt}} {{.Options.device}}"
    return sorted(hermes.engine.docker("volume", "inspect", "--format", template, *names).decode().splitlines())
