"""A seeded Hermes that is kept, so that each further one is a copy of its folders and not made anew.

It lies in `<home>/templates/<key>`, with `-root-password` behind it where MariaDB's root has one. The key is
made of the image's key and of the files that say what a Hermes holds (`content/`, `nextcloud/`, `root/`,
`installation.py`): where one of these changed, a new template is made and the old ones are deleted.
A template is a miniature in the layout `separate` whose containers are gone.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.stack.miniature import image
from tests.stack.miniature.command import run, say
from tests.stack.miniature.content import seeding
from tests.stack.miniature.engine import Engine
from tests.stack.miniature.layout import laid_out
from tests.stack.miniature.miniature import NOTE, ROOT_BELOW_BASE, Miniature

PACKAGE = Path(__file__).parent
SOURCES = ("content", "nextcloud", "root")


def ensure(engine: Engine, *, root_password: bool) -> Path:
    """The base folder of the template, made first where it is missing."""
    image.ensure(engine)
    folder = engine.home / "templates"
    finished = folder / (key() + ("-root-password" if root_password else ""))
    if finished.exists():
        return finished
    say("Filling a miniature Hermes (once; it is kept as a template)")
    forget_others(folder)
    partial = finished.with_name(f"{finished.name}.partial")
    shutil.rmtree(os.fsencode(partial), ignore_errors=True)
    made = Miniature.create(partial, root_password=root_password, seed=False, engine=engine)
    seeding.seed(made)
    (partial / NOTE).unlink()
    return partial.rename(finished)


def key() -> str:
    inside = [f for source in SOURCES for f in (PACKAGE / source).rglob("*") if f.suffix != ".pyc" and f.is_file()]
    files = sorted([*inside, PACKAGE / "installation.py"])
    parts = [part for f in files for part in (bytes(f.relative_to(PACKAGE)), f.read_bytes())]
    return image.digest([image.key().encode(), *parts])


def forget_others(folder: Path) -> None:
    for other in folder.iterdir() if folder.exists() else ():
        if not other.name.startswith(key()):
            shutil.rmtree(os.fsencode(other))


def copy(template: Path, made: Miniature) -> None:
    """Copy the template's folders to where the layout wants them, nothing lost."""
    made.root.parent.mkdir(parents=True, exist_ok=True)
    copy_tree(template / ROOT_BELOW_BASE, made.root)
    copy_tree(template / "received-mail", made.base / "received-mail")
    sources = laid_out("separate", template).tiers
    # The data tier first and its own folder's owner last: others may lie within it.
    for tier, target in made.tiers.items():
        copy_tree(sources[tier], target)
    for tier in reversed(made.tiers):
        shutil.copystat(sources[tier], made.tiers[tier])
        owner = sources[tier].stat()
        os.chown(made.tiers[tier], owner.st_uid, owner.st_gid)


def copy_tree(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    run(["cp", "-a", "--sparse=always", f"{source}/.", target])
