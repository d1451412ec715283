"""The backup script as a process on a miniature, and its tarball in the hands of GNU tar."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.stack.miniature import Engine, Miniature
from tests.stack.miniature.command import run

SCRIPTS = Path(__file__).parents[2] / "scripts"
MANIFEST_MEMBER = "backup_manifest.json"
ACCOUNTS = "accounts.sql.gz"
DUMPS = ("databases.tar.gz", "ldap.ldif.gz")
TIERS = {
    "system": ("config", "data"),
    "archive": ("archive",),
    "vmail": ("vmail",),
    "nextcloud": ("nextcloud",),
    "all": ("config", "data", "archive", "vmail", "nextcloud"),
}


@contextmanager
def standing(
    engine: Engine, base: Path, *, layout: str = "separate", root_password: bool = False
) -> Iterator[Miniature]:
    """A new Hermes below `base` that is up, for as long as the body lasts."""
    hermes = Miniature.create(base, layout=layout, root_password=root_password, engine=engine)
    try:
        hermes.up()
        yield hermes
    finally:
        hermes.remove()


@dataclass(frozen=True)
class Call:
    """A call of the script that has ended; `output` is the folder that -P named."""

    code: int
    stdout: str
    stderr: str
    output: Path

    @property
    def warnings(self) -> list[str]:
        return [line.partition("WARN: ")[2] for line in self.stdout.splitlines() if "WARN: " in line]

    @property
    def tarball(self) -> Path:
        """The one file that the call made; what it said where it made none."""
        assert self.code == 0, self.stdout + self.stderr
        (line,) = (line for line in self.stdout.splitlines() if "] backup:   " in line)
        return self.output / line.partition("] backup:   ")[2].rpartition(" (")[0].rpartition("/")[2]


def environment(hermes: Miniature, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """What the script is given: this engine and install root, and a place of its own for lock and journal."""
    return hermes.environ | {"HERMES_BACKUP_STATE": str(hermes.base / "state")} | dict(extra or {})


def back_up(
    hermes: Miniature,
    scope: str,
    *options: str,
    output: Path | None = None,
    script: str = "system_backup.py",
    environ: Mapping[str, str] | None = None,
) -> Call:
    """Run the script to its end; without `output`, a new folder beside the tiers takes the backup."""
    folder = output or new_folder(hermes.base / "backups")
    argv = [str(SCRIPTS / script), "-P", str(folder), "-B", scope, "--yes", *options]
    return called(argv, folder, environment(hermes, environ))


def called(argv: Sequence[str], output: Path, environ: Mapping[str, str]) -> Call:
    done = subprocess.run(argv, env=environ, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return Call(done.returncode, done.stdout.decode(), done.stderr.decode(), output)


def new_folder(above: Path) -> Path:
    """A folder below `above` that nobody has used yet."""
    above.mkdir(exist_ok=True, parents=True)
    folder = above / str(len(list(above.iterdir())))
    folder.mkdir()
    return folder


@dataclass(frozen=True)
class Opened:
    """A tarball whose members GNU tar has put into `folder`."""

    folder: Path
    manifest: dict[str, Any]

    def unpack(self, tier: str) -> Path:
        """Unpack the archive of a tier as the guide says, and return the folder; a second call finds it there."""
        target = self.folder / tier
        if not target.exists():
            target.mkdir()
            keeping = ("--numeric-owner", "--acls", "--xattrs", "--xattrs-include=*")
            run(["tar", *keeping, "-xpzf", self.folder / f"{tier}.tar.gz", "-C", target])
        return target

    def names(self, tier: str) -> list[bytes]:
        """The names in a tier's archive, in its order, without `./` and without a folder's slash."""
        listed = run(["tar", "--quoting-style=escape", "-tzf", self.folder / f"{tier}.tar.gz"]).splitlines()
        return [os.path.normpath(name) for name in listed]

    def content(self, member: str) -> bytes:
        """What a member that gzip made holds."""
        return run(["zcat", self.folder / member])


def opened(tarball: Path, folder: Path) -> Opened:
    """Unpack the outer tarball into the new folder `folder`."""
    folder.mkdir(parents=True)
    run(["tar", "-xf", tarball, "-C", folder])
    return Opened(folder, json.loads((folder / MANIFEST_MEMBER).read_text()))


def members(tarball: Path) -> list[str]:
    return run(["tar", "-tf", tarball]).decode().splitlines()
