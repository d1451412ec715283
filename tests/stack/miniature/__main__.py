"""The miniature from a shell: `python -m tests.stack.miniature up|down|status|env`."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from tests.stack.miniature import engine as engines
from tests.stack.miniature import image
from tests.stack.miniature.command import MiniatureError, say
from tests.stack.miniature.debian import require_root
from tests.stack.miniature.layout import LAYOUTS
from tests.stack.miniature.miniature import NOTE, Miniature


def main() -> int:
    given = arguments().parse_args()
    base: Path = given.base or engines.home() / "demo"
    try:
        require_root()
        with engines.exclusive():
            ACTIONS[given.action](given, base)
    except MiniatureError as err:
        print(f"ERROR: {err}", file=sys.stderr)
        return 1
    return 0


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.stack.miniature", description=__doc__)
    parser.add_argument("action", choices=tuple(ACTIONS))
    parser.add_argument("--base", type=Path, help="where it lies (default: demo/ below HERMES_MINIATURE_HOME)")
    parser.add_argument("--layout", choices=LAYOUTS, default="separate", help="for a new one; default: separate")
    parser.add_argument("--root-password", action="store_true", help="for a new one: MariaDB's root has a password")
    parser.add_argument("--everything", action="store_true", help="with `down`: the engine and the image as well")
    return parser


def up(given: argparse.Namespace, base: Path) -> None:
    """Engine, image and stack; what exists is used as it is."""
    engine = engines.ensure()
    image.ensure(engine)
    if (base / NOTE).exists():
        hermes = Miniature.opened(base, engine=engine)
    else:
        say(f"Laying out a miniature Hermes below {base}")
        hermes = Miniature.create(base, layout=given.layout, root_password=given.root_password, engine=engine)
    say("Bringing the miniature Hermes up")
    hermes.up()
    env(given, base)


def down(given: argparse.Namespace, base: Path) -> None:
    """The stack and its folders; with --everything the engine and all that it kept."""
    engine = engines.located()
    if (base / NOTE).exists():
        Miniature.opened(base, engine=engine).remove()
        say(f"Removed {base}")
    if given.everything:
        engines.remove()
        say(f"Removed the engine, its images and {engine.home}; Debian packages that were installed stay")


def status(given: argparse.Namespace, base: Path) -> None:
    """What there is, in words."""
    engine = engines.located()
    print(f"engine     {engine.host} {'answers' if engine.answers() else 'is not running'}")
    if not (base / NOTE).exists():
        print(f"miniature  none below {base}")
        return
    hermes = Miniature.opened(base, engine=engine)
    print(f"miniature  {base} (layout {hermes.layout.name})")
    running = sorted(hermes.running()) if engine.answers() else []
    print(f"running    {' '.join(running) or 'nothing'}")


def env(given: argparse.Namespace, base: Path) -> None:
    """Lines for a shell to evaluate."""
    hermes = Miniature.opened(base)
    for name in ("DOCKER_HOST", "HERMES_ROOT"):
        print(f"export {name}={shlex.quote(hermes.environ[name])}")


ACTIONS = {"up": up, "down": down, "status": status, "env": env}

if __name__ == "__main__":
    sys.exit(main())
