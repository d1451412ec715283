"""Disks with btrfs on them, on loop devices, and what lies on them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.stack.failures.breaking import MEGABYTE, command
from tests.stack.miniature import Engine, Miniature
from tests.stack.miniature.debian import need
from tests.stack.miniature.layout import laid_out

NAME = ".hermes-backup-snapshot-"


@contextmanager
def btrfs(place: Path, *, megabytes: int = 200) -> Iterator[Path]:
    """Have a btrfs of its own mounted at ``place``, which is made; all that is mounted in it goes first."""
    need({"mkfs.btrfs": "btrfs-progs", "btrfs": "btrfs-progs"})
    image = place.with_name(f"{place.name}.btrfs")
    with image.open("wb") as file:
        file.truncate(megabytes * MEGABYTE)
    command("mkfs.btrfs", "--quiet", str(image))
    place.mkdir(parents=True, exist_ok=True)
    command("mount", "-o", "loop", str(image), str(place))
    try:
        yield place
    finally:
        command("umount", "--recursive", str(place))
        image.unlink()


def subvolume(place: Path) -> Path:
    """Make a subvolume at ``place``; what is there already goes into it."""
    aside = place.with_name(f"{place.name}.aside")
    if place.exists():
        place.rename(aside)
    command("btrfs", "subvolume", "create", str(place))
    if aside.exists():
        command("cp", "-a", "--reflink=always", f"{aside}/.", str(place))
        command("rm", "-r", str(aside))
    return place


@contextmanager
def bound(source: Path, place: Path) -> Iterator[Path]:
    """Have ``source`` seen at ``place`` as well."""
    place.mkdir(parents=True, exist_ok=True)
    command("mount", "--bind", str(source), str(place))
    try:
        yield place
    finally:
        command("umount", str(place))


def snapshots_in(*folders: Path) -> list[Path]:
    """The snapshots of ours at the roots of subvolumes."""
    return sorted(Path(entry.path) for folder in folders for entry in os.scandir(folder) if entry.name.startswith(NAME))


@contextmanager
def standing_on_btrfs(
    engine: Engine, base: Path, *, layout: str = "separate", subvolumes: tuple[str, ...] = ()
) -> Iterator[Miniature]:
    """A new Hermes that is up, all of it on one btrfs; those of its tiers are subvolumes that are named."""
    base.parent.mkdir(parents=True, exist_ok=True)
    with btrfs(base, megabytes=2000):
        (base / "mnt").mkdir()
        tiers = laid_out(layout, base).tiers
        for tier in subvolumes:
            subvolume(tiers[tier])
        hermes = Miniature.create(base, layout=layout, engine=engine)
        try:
            hermes.up()
            yield hermes
        finally:
            hermes.down()
