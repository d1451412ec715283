"""Sees what a run of the script does, at the very moments that matter.

The script finds `tar` and `docker` on its PATH. Here they are scripts that note which containers run, and
whether Nextcloud is in maintenance, before and after a tier is read and before each dump; then they are the
real programs. So nothing hangs on the luck of a poll.
"""

from __future__ import annotations

import os
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.stack.miniature import Miniature

NOTE = r"""#!/bin/bash
set -o pipefail
note() {
    local running maintenance
    # tar has an environment of its own, in which this engine is not named.
    running=$({docker} -H {engine} ps --format '{{.Names}}' | sort | tr '\n' ' ') || running='no answer'
    maintenance=$(grep -c "'maintenance' => true" {config})
    printf '%s\t%s\t%s\n' "$1" "$running" "$maintenance" >>{book}
}
"""
TAR = r"""
root=
for word in "$@"; do case $word in --directory=*) root=${word#--directory=} ;; esac; done
[ -n "$root" ] || exec -a "$0" {tar} "$@"
note "reads $root"
(exec -a "$0" {tar} "$@")
code=$?
note "has read $root"
exit $code
"""
DOCKER = r"""
case " $* " in
*" --single-transaction "*) note "dumps ${!#}" ;;
*" slapcat -F "*) note "exports LDAP" ;;
*" maintenance:mode --"*) note "occ ${!#}" ;;
esac
exec {docker} "$@"
"""


@dataclass(frozen=True)
class Sight:
    """What was seen as the run did `doing`."""

    doing: str
    running: frozenset[str]
    maintenance: bool


class Witness:
    """Give `environ` to a run of the script; afterwards `saw()` tells what went on."""

    def __init__(self, hermes: Miniature, folder: Path) -> None:
        folder.mkdir()
        self.hermes = hermes
        self.book = folder / "book"
        self.programs = folder / "bin"
        self.programs.mkdir()
        for name, text in (("tar", TAR), ("docker", DOCKER)):
            self.write(name, NOTE + text)

    def write(self, name: str, text: str) -> None:
        known = {"config": str(self.hermes.tiers["nextcloud"] / "app/config/config.php"), "book": str(self.book)}
        known["engine"] = self.hermes.engine.host
        known |= {program: shutil.which(program) or program for program in ("tar", "docker")}
        for key, value in known.items():
            text = text.replace("{" + key + "}", shlex.quote(value))
        (self.programs / name).write_text(text)
        (self.programs / name).chmod(0o755)

    @property
    def environ(self) -> dict[str, str]:
        return {"PATH": f"{self.programs}{os.pathsep}{os.environ['PATH']}"}

    def saw(self) -> list[Sight]:
        """Everything, in order; a tier goes by its name."""
        tiers = {str(self.hermes.root): "config"} | {str(path): name for name, path in self.hermes.tiers.items()}
        rows = [line.split("\t") for line in self.book.read_text().splitlines()]
        return [
            Sight(named(doing, tiers), frozenset(running.split()), maintenance != "0")
            for doing, running, maintenance in rows
        ]


def named(doing: str, tiers: dict[str, str]) -> str:
    for path, name in tiers.items():
        if doing.endswith(f" {path}"):
            return doing.removesuffix(path) + name
    return doing
