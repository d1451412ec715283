"""Finding the install root: the folder of `docker-compose.yml`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from hermes_backup_core.domain.errors import HermesBackupError
from hermes_backup_core.domain.paths import shown

_MARK = "docker-compose.yml"


@frozen
class NoInstallRoot(HermesBackupError):
    """No folder that could be the install root."""

    reason: str

    def __str__(self) -> str:
        return f"{self.reason}: set HERMES_ROOT to the folder of {_MARK}"


def find_install_root(environ: Mapping[str, str], called_as: str) -> str:
    """Return the install root: ``HERMES_ROOT``, or the nearest folder above the script that holds Compose's file.

    The path as called comes first, then the one with links resolved. Raises `NoInstallRoot`.
    """
    if given := environ.get("HERMES_ROOT"):
        if not os.path.isfile(os.path.join(given, _MARK)):
            raise NoInstallRoot(f"HERMES_ROOT is {shown(given)}, which holds no {_MARK}")
        return os.path.abspath(given)
    called = Path(os.path.abspath(called_as))
    for script in (called, called.resolve()):
        for folder in script.parents:
            if (folder / _MARK).is_file():
                return str(folder)
    raise NoInstallRoot(f"no {_MARK} in {shown(str(called.parent))} or in any folder above it")
