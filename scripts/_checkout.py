"""How the scripts of this folder find their library and its dependencies, whoever's Python starts them.

Nothing here may need more than the standard library of an old Python: this is what says that one is too old.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
ENVIRONMENTS = (CHECKOUT / ".venv", CHECKOUT / ".venv-test")
DEPENDENCIES = ("attrs", "cattrs", "docker", "isal", "plumbum", "rich")


def enter() -> None:
    """Make the library importable; in the checkout's own environment where this Python lacks what it needs."""
    if not python_serves():
        become_own_python()
    sys.path.insert(0, str(CHECKOUT))


def called_as() -> str:
    """The path by which the operator called the script, links unresolved.

    A launcher hands it on in the environment; taken out of there, since it says nothing to the programs we start.
    """
    return os.environ.pop("HERMES_BACKUP_CALLED_AS", "") or sys.argv[0]


def python_serves() -> bool:
    return (3, 10) <= sys.version_info < (3, 14) and all(find_spec(name) for name in DEPENDENCIES)


def become_own_python() -> None:
    """Start again in the checkout's environment; where there is none, say so and end."""
    for environment in ENVIRONMENTS:
        python = environment / "bin" / "python"
        if os.access(python, os.X_OK) and not runs_in(environment):
            os.execv(python, [str(python), *sys.argv])
    installer = CHECKOUT / "scripts" / "install.sh"
    sys.exit(f"ERROR: the packages that this tool needs are not installed: run `sudo {installer}` once.")


def runs_in(environment: Path) -> bool:
    return environment.resolve() == Path(sys.prefix).resolve()
